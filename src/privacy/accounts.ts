/** A digit that no other stands before or behind, so that a part of a longer number is not taken for a card. */
const DIGITS = /\d(?:[ .\u00a0\u2009\u202f\u2010-\u2015-]?\d){12,}/g;
const CARD_MIN = 13;
const CARD_MAX = 19;

/** Replaces payment card numbers (ISO/IEC 7812): 13 to 19 digits whose check digit is right, wherever they stand in a longer row of digits. */
export const withoutCards = (text: string): string => text.replace(DIGITS, withoutCard);

function withoutCard(run: string): string {
  const places = [...run.matchAll(/\d/g)].map(({ index }) => index);
  let replaced = "";
  let from = 0;
  for (let first = 0; first + CARD_MIN <= places.length;) {
    const length = cardLength(run, places, first);
    if (length === 0) {
      first++;
      continue;
    }
    replaced += `${run.slice(from, places[first])}[CARD]`;
    from = (places[first + length - 1] ?? 0) + 1;
    first += length;
  }
  return replaced + run.slice(from);
}

/** How many digits from here on are a card's, the longest first; 0 where none are. Cards of the networks begin with 2 to 6. */
function cardLength(run: string, places: readonly number[], first: number): number {
  const digitAt = (i: number): number => run.charCodeAt(places[i] ?? 0) - 0x30;
  if (digitAt(first) < 2 || digitAt(first) > 6) return 0;
  // The sum over the places that are doubled changes with the length's parity, so both are kept.
  let [even, odd, longest] = [0, 0, 0];
  for (let i = 0; i < CARD_MAX && first + i < places.length; i++) {
    const digit = digitAt(first + i);
    const doubled = digit > 4 ? digit * 2 - 9 : digit * 2;
    even += i % 2 === 0 ? doubled : digit;
    odd += i % 2 === 0 ? digit : doubled;
    if (i + 1 >= CARD_MIN && ((i + 1) % 2 === 0 ? even : odd) % 10 === 0) longest = i + 1;
  }
  return longest;
}

/** As it is printed, in groups, or without spaces. */
const IBAN = /[A-Z]{2}\d{2}(?:[ \u00a0-]?[A-Z0-9]){11,30}/gi;

/** Replaces international bank account numbers (ISO 13616): 15 to 34 characters whose remainder by 97 is 1. */
export function withoutIbans(text: string): string {
  let replaced = "";
  let from = 0;
  IBAN.lastIndex = 0;
  for (let found = IBAN.exec(text); found !== null; found = IBAN.exec(text)) {
    const length = ibanLength(found[0]);
    if (length > 0) {
      replaced += `${text.slice(from, found.index)}[IBAN]`;
      from = found.index + length;
    }
    // Another may begin within what looked like one.
    IBAN.lastIndex = length > 0 ? from : found.index + 1;
  }
  return replaced + text.slice(from);
}

/** The length in UTF-16 units of the longest beginning that is an IBAN; 0 where none is. */
function ibanLength(candidate: string): number {
  const head = candidate.slice(0, 4).toUpperCase();
  let remainder = 0;
  let longest = 0;
  for (let at = 4, count = 4; at < candidate.length; at++) {
    const value = Number.parseInt(candidate[at] ?? "", 36);
    if (Number.isNaN(value)) continue;
    count++;
    remainder = appended(remainder, value);
    if (count < 15) continue;
    let checked = remainder;
    for (const character of head) checked = appended(checked, Number.parseInt(character, 36));
    if (checked === 1) longest = at + 1;
  }
  return longest;
}

/** ISO 7064: letters stand for two digits. */
const appended = (remainder: number, value: number): number => (remainder * (value > 9 ? 100 : 10) + value) % 97;

const SSN = /(?<!\d)\d{3}([ .\u2010-\u2015-])\d{2}\1\d{4}(?!\d)/g;

/** Replaces US social security and taxpayer numbers, which need their separators: nine digits alone are anything. */
export const withoutSsns = (text: string): string => text.replace(SSN, "[SSN]");
