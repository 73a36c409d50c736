import * as fc from "fast-check";

/** Identifiers that a redaction must know by themselves, wherever they stand. */
const digits = (count: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789".split("")), minLength: count, maxLength: count });
const lower = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz".split("")), minLength: min, maxLength: max });
const mixed = (count: number) =>
  fc.string({
    unit: fc.constantFrom(..."ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789".split("")),
    minLength: count,
    maxLength: count,
  });

const email = fc
  .tuple(
    lower(2, 12),
    fc.constantFrom("", ".", "+", "_", "'", "-"),
    lower(1, 8),
    lower(3, 12),
    fc.constantFrom("com", "co.uk", "de", "example"),
  )
  .map(([a, sign, b, host, top]) => `${a}${sign}${b}@${host}.${top}`);

/** Ten countries, as people write their numbers to people of others. */
const phone = fc
  .tuple(
    fc.constantFrom(
      "+1 2##-2##-####",
      "+44 20 7### ####",
      "+49 170 #######",
      "+49 (0)30 ########",
      "+33 6 ## ## ## ##",
      "+34 612 ## ## ##",
      "+39 06 ########",
      "+91-98###-#####",
      "+55 (11) 9####-####",
      "+81.90.####.####",
      "+61 4## ### ###",
      "0049 171 #######",
      "0170/#######",
      "(2##) 2##-####",
    ),
    digits(12),
  )
  .map(([shape, random]) => {
    let at = 0;
    return shape.replaceAll("#", () => random[at++] ?? "0");
  });

const card = fc
  .tuple(fc.constantFrom("4", "51", "34", "6011"), digits(14), fc.constantFrom("", " ", "-"))
  .map(([start, random, gap]) => {
    const body = (start + random).slice(0, start === "34" ? 14 : 15);
    const sum = body
      .split("")
      .reverse()
      .reduce((sum, digit, i) => {
        const value = Number(digit) * (i % 2 === 0 ? 2 : 1);
        return sum + (value > 9 ? value - 9 : value);
      }, 0);
    return `${body}${(10 - (sum % 10)) % 10}`.replace(/(\d{4})(?=\d)/g, `$1${gap}`);
  });

const iban = fc
  .tuple(fc.constantFrom("DE", "GB", "FR", "NO"), digits(18), fc.constantFrom("", " "))
  .map(([country, random, gap]) => {
    const bank = country === "GB" ? `NWBK${random.slice(0, 14)}` : random;
    const number = `${bank}${country}00`
      .split("")
      .map((character) => String(Number.parseInt(character, 36)))
      .join("");
    const check = String(98n - (BigInt(number) % 97n)).padStart(2, "0");
    return `${country}${check}${bank}`.replace(/(.{4})(?=.)/g, `$1${gap}`);
  });

const secret = fc.oneof(
  mixed(24).map((random) => `sk-${random}`),
  mixed(36).map((random) => `ghp_${random}`),
  mixed(16).map((random) => `AKIA${random.toUpperCase()}`),
  fc.tuple(mixed(20), mixed(20)).map(([a, b]) => `eyJ${a}.eyJ${b}.${b}${a}`),
);

const ip = fc.oneof(
  fc.ipV4(),
  fc.tuple(digits(3), digits(3)).map(([a, b]) => `2001:db8::${a}:${b}`),
);

/** Known by what it is. */
export const identifier = fc.oneof(email, email, phone, phone, card, iban, secret, ip);

/** Known only because it is somebody's: an id of a session or a user, or a value that the policy drops. */
export const opaque = (start: string) =>
  fc.oneof(
    mixed(16).map((random) => `${start}-${random}`),
    fc
      .tuple(mixed(8), fc.constantFrom('"', " ", "é", "\\", "/", "日"))
      .map(([random, sign]) => `${start}${sign}${random}`),
  );

const around = fc.constantFrom(
  " ",
  "\n",
  "\t",
  "<",
  ">",
  "(",
  ")",
  ",",
  ";",
  "“",
  "”",
  "'",
  "|",
  "中",
  " – ",
  ': "',
  "*",
);
const filler = fc.oneof(fc.lorem({ maxCount: 6 }), fc.constantFrom("", "Grüße 👋", "第一", "{}", "\\n", "it's"));

/** Text that has the values somewhere in it. */
export const textWith = (values: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(filler, fc.array(fc.tuple(around, fc.constantFrom(...values), around, filler), { maxLength: 4 }))
    .map(([start, rest]) => start + rest.map((parts) => parts.join("")).join(""));

/** The ways in which bytes could still show a value. */
export function formsOf(value: string): readonly Buffer[] {
  const bytes = Buffer.from(value);
  // The characters of Base64 that depend on this value alone, for each place where it may begin.
  const base64 = [0, 1, 2].map((offset) =>
    Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .slice(Math.ceil((offset * 8) / 6), -4)
      .replaceAll("=", ""),
  );
  const json = JSON.stringify(value).slice(1, -1);
  return [value, json, JSON.stringify(json).slice(1, -1), encodeURIComponent(value), ...base64]
    .filter((form) => form.length >= 6)
    .map((form) => Buffer.from(form));
}
