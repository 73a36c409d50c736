const AT = /@|%40/g;
const LETTER_OR_DIGIT = /[\p{L}\p{N}\p{M}]/u;
const LOCAL = new Set("._%+'-&~!#$*^");
const DOMAIN = new Set(".-");

/** Replaces e-mail addresses, whole; also those whose at sign is percent-encoded. One pass to each side of an at sign, which no other at sign's overlaps. */
export function withoutEmails(text: string): string {
  let replaced = "";
  let from = 0;
  AT.lastIndex = 0;
  // A local part ends at the at sign before, if only it could.
  let floor = 0;
  for (let found = AT.exec(text); found !== null; found = AT.exec(text)) {
    const at = found.index;
    const start = localStart(text, at, Math.max(from, floor));
    floor = AT.lastIndex;
    const end = domainEnd(text, floor);
    if (start === at || end < 0) continue;
    replaced += `${text.slice(from, start)}[EMAIL]`;
    from = end;
  }
  return replaced + text.slice(from);
}

function localStart(text: string, at: number, from: number): number {
  const isWide = isEastAsian(text.charCodeAt(at - 1));
  let start = at;
  while (start > from && belongs(text, start - 1, LOCAL, isWide)) start--;
  // A quotation mark or a dash in front is no part of an address.
  while (start < at && "'-.".includes(text[start] ?? "")) start++;
  return start;
}

/** Where the domain ends, or -1 where none with a dot and a name at the top follows. */
function domainEnd(text: string, start: number): number {
  if (text[start] === "[") {
    const end = text.slice(start, start + 50).indexOf("]");
    return /^\[[0-9A-Fa-f:.IPv]{7,46}$/.test(text.slice(start, start + end)) ? start + end + 1 : -1;
  }
  const isWide = isEastAsian(text.charCodeAt(start));
  let end = start;
  while (end < text.length && belongs(text, end, DOMAIN, isWide)) end++;
  while (end > start && ".-".includes(text[end - 1] ?? "")) end--;
  const domain = text.slice(start, end);
  const dot = domain.lastIndexOf(".");
  return dot > 0 && LETTER_OR_DIGIT.test(domain[dot + 1] ?? "") && !/^\d+$/.test(domain.slice(dot + 1)) ? end : -1;
}

/** Scripts without spaces would make a whole sentence part of an address that stands in it, so they count only where they touch the at sign. */
function belongs(text: string, at: number, others: ReadonlySet<string>, isWide: boolean): boolean {
  const character = text[at] ?? "";
  const code = text.charCodeAt(at);
  if (code < 0x80)
    return (code > 0x2f && code < 0x3a) || ((code | 0x20) > 0x60 && (code | 0x20) < 0x7b) || others.has(character);
  return isEastAsian(code) ? isWide && LETTER_OR_DIGIT.test(character) : LETTER_OR_DIGIT.test(character);
}

const isEastAsian = (code: number): boolean => code >= 0x2e80;
