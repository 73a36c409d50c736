const V4 = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)/g;
const MAC = /(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:-])/g;
const V6 = /[0-9A-Fa-f:.]{3,}/g;

/** Replaces IP addresses of both versions, and hardware addresses. A version number of four parts is taken for one, too. */
export function withoutIpAddresses(text: string): string {
  const without = text.includes(":") ? text.replace(MAC, "[MAC]").replace(V6, (run) => withoutV6(run)) : text;
  return without.replace(V4, (found) => (found.split(".").every((part) => Number(part) <= 255) ? "[IP]" : found));
}

function withoutV6(run: string): string {
  if (run.length > 64 || !/\d/.test(run)) return run;
  const start = run.startsWith("::") ? 0 : run.search(/[^:.]/);
  const end = run.endsWith("::") ? run.length : run.search(/[:.]*$/);
  const address = run.slice(start, end);
  return isV6(address) ? `${run.slice(0, start)}[IP]${run.slice(end)}` : run;
}

/** RFC 4291 §2.2. */
function isV6(address: string): boolean {
  const halves = address.split("::");
  if (halves.length > 2 || !address.includes(":")) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const isMixed = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(last);
  const hexGroups = isMixed ? groups.slice(0, -1) : groups;
  const count = hexGroups.length + (isMixed ? 2 : 0);
  return (
    hexGroups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group)) &&
    (halves.length === 2 ? count < 8 && count > 1 : count === 8)
  );
}
