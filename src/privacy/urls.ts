/** From here on a query's value is more likely to identify somebody than to say what is asked for. */
const VALUE_MAX = 24;

/** Replaces the credentials of URLs and long values in their queries and fragments. */
export function withoutUrlSecrets(text: string): string {
  if (!text.includes("://")) return text;
  let replaced = "";
  let from = 0;
  for (let at = text.indexOf("://"); at >= 0; at = text.indexOf("://", from)) {
    const start = at + 3;
    let end = start;
    while (end < text.length && !isOutside(text.charCodeAt(end))) end++;
    replaced += text.slice(from, start) + withoutParts(text.slice(start, end));
    from = end;
  }
  return replaced + text.slice(from);
}

/** White space, quotation marks and angle brackets end a URL in running text. */
const isOutside = (code: number): boolean =>
  code <= 0x20 || code === 0x22 || code === 0x27 || code === 0x3c || code === 0x3e || code === 0x60 || code === 0xa0;

function withoutParts(url: string): string {
  const pathStart = url.search(/[/?#\\]/);
  const authority = pathStart < 0 ? url : url.slice(0, pathStart);
  const credentialsEnd = authority.lastIndexOf("@");
  const host = credentialsEnd < 0 ? authority : `[CREDENTIALS]@${authority.slice(credentialsEnd + 1)}`;
  const rest = pathStart < 0 ? "" : url.slice(pathStart);
  const queryStart = rest.search(/[?#]/);
  if (queryStart < 0) return host + rest;
  const query = rest
    .slice(queryStart)
    .replace(/=([^&#;=]+)/g, (whole, value: string) => (value.length > VALUE_MAX ? "=[VALUE]" : whole));
  return host + rest.slice(0, queryStart) + query;
}
