import { findPhoneNumbersInText, isSupportedCountry, type CountryCode } from "libphonenumber-js/min";

/** Digits with what people write between them; a plus begins a candidate and ends the one before it. */
const CANDIDATE = /(?:\+\s?|\()?\d(?:[\s().\u00b7\u2010-\u2015/-]{0,3}\d){6,40}/g;
/** A text with more candidates than this gets no library for the rest: all of them are replaced. */
const LOOKUPS_MAX = 256;

const NANP =
  /(?<!\d)(?:1[ .-]?)?(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[ .\u2010-\u2015-])\d{3}[ .\u2010-\u2015-]\d{4}(?!\d)/g;

/**
 * Replaces phone numbers: of any country with `+` or `00` in front, any with a leading 0, those as people write them in
 * North America, and those that libphonenumber finds valid in one of the countries.
 * @param countries ISO 3166-1
 */
export function phoneRemover(countries: readonly string[]): (text: string) => string {
  const known = countries.filter((country) => isSupportedCountry(country));
  return (text) => {
    let lookups = 0;
    const looked = (piece: string): string => {
      lookups += known.length;
      return lookups > LOOKUPS_MAX ? "[NUMBER]" : known.reduce(withoutFound, piece);
    };
    const withoutNumbers = (candidate: string): string => {
      const start = unmistakableStart(candidate);
      const end = start + numberLength(candidate.slice(start));
      const before = betweenDates(candidate.slice(0, start), looked);
      return end > start ? `${before}[PHONE]${candidate.slice(end).replace(CANDIDATE, withoutNumbers)}` : before;
    };
    return text.replace(NANP, "[PHONE]").replace(CANDIDATE, withoutNumbers);
  };
}

/** Where a number begins that needs no looking up, as other figures may stand in front of it; the length where none does. */
function unmistakableStart(candidate: string): number {
  if (isUnmistakable(candidate)) return 0;
  for (const { index } of candidate.matchAll(/(?<=\s)\(?0|\(0/g))
    if (isUnmistakable(candidate.slice(index))) return index;
  return candidate.length;
}

/** A date and what stands next to it make phone numbers of some countries. */
const betweenDates = (candidate: string, replace: (piece: string) => string): string =>
  candidate
    .split(/((?<!\d)(?:19|20)\d\d([./-])(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01])(?!\d))/)
    .map((piece, i) => (i % 3 === 2 ? "" : i % 3 === 1 || digitsOf(piece) < 7 ? piece : replace(piece)))
    .join("");

const digitsOf = (text: string): number => text.replace(/\D/g, "").length;

/** With the prefix of a country, or of a call within one: a 0 that no decimal point follows. */
const isUnmistakable = (candidate: string): boolean =>
  candidate.startsWith("+") ||
  /^\(?00[\s()/-]{0,3}[1-9]/.test(candidate) ||
  (/^\(?0[\s()/-]{0,3}[1-9]/.test(candidate) && digitsOf(candidate) >= 9);

/** A line break ends a number that has 9 digits already; whatever else follows on its line belongs to it, for want of a better rule. */
function numberLength(text: string): number {
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1))
    if (digitsOf(text.slice(0, at)) >= 9) return at;
  return text.length;
}

function withoutFound(text: string, country: CountryCode): string {
  let replaced = "";
  let from = 0;
  for (const { startsAt, endsAt } of findPhoneNumbersInText(text, { defaultCountry: country })) {
    replaced += `${text.slice(from, startsAt)}[PHONE]`;
    from = endsAt;
  }
  return replaced + text.slice(from);
}
