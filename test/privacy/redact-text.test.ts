import { describe, expect, test } from "vitest";
import { Privacy } from "../../src/core/privacy.ts";
import { textRedactor } from "../../src/privacy/redact-text.ts";

const redactorOf = (privacy: object = {}) => textRedactor(Privacy.parse(privacy));
const redact = redactorOf();

describe("personal data in text is replaced by what it is", () => {
  test.each([
    { text: "Mail maria.g+x@sub.example.co.uk.", expected: "Mail [EMAIL].", because: "an address goes whole" },
    { text: "'o'neil@exämple.de', <joe@x.io>", expected: "'[EMAIL]', <[EMAIL]>", because: "quotes are no part of it" },
    {
      text: "联系maria@example.com谢谢",
      expected: "联系[EMAIL]谢谢",
      because: "a script without spaces stands around it",
    },
    { text: "?to=maria%40example.com&x", expected: "?to=[EMAIL]&x", because: "the at sign is encoded" },
    { text: "joe＠x.com", expected: "[EMAIL]", because: "the at sign is full width" },
    { text: "ma\u200bria@ex\u00adample.com", expected: "[EMAIL]", because: "characters nobody sees are in it" },
    { text: "react@18.2.0 and @joe", expected: "react@18.2.0 and @joe", because: "neither is an address" },
    { text: "call +49 (0)170 1234567 now", expected: "call [PHONE] now", because: "a plus is unmistakable" },
    { text: "0170/1234567 or 020 7946 0958", expected: "[PHONE] or [PHONE]", because: "a leading 0 is that of a call" },
    { text: "00 33 6 12 34 56 78", expected: "[PHONE]", because: "00 stands for a plus" },
    { text: "+49 170\n1234567\nnext", expected: "[PHONE]\nnext", because: "a number goes on in the next line" },
    { text: "+491701234567\n12345678", expected: "[PHONE]\n12345678", because: "a whole number ends with its line" },
    { text: "0049 171 2584264\n)0049 171 2584264", expected: "[PHONE]\n)[PHONE]", because: "one is in each line" },
    { text: "9 0170/2174728", expected: "9 [PHONE]", because: "another figure stands in front of it" },
    { text: "12 212-456-7890 9, (555) 123-4567", expected: "12 [PHONE] 9, [PHONE]", because: "as written in the US" },
    { text: "2025550123", expected: "[PHONE]", because: "libphonenumber knows it to be valid in the US" },
    { text: "at 2026-11-24 03:34:18", expected: "at 2026-11-24 03:34:18", because: "a date is no number" },
    {
      text: "order 12345678, 1763955258123, 0.123456789",
      expected: "order 12345678, 1763955258123, 0.123456789",
      because: "other figures are wanted",
    },
    { text: "4111 1111 1111 1111", expected: "[CARD]", because: "its check digit is right" },
    { text: "x5500-0000-0000-0004y", expected: "x[CARD]y", because: "letters stand next to it" },
    { text: "4111 1111 1111 1112", expected: "4111 1111 1111 1112", because: "its check digit is wrong" },
    { text: "DE89 3704 0044 0532 0130 00 and", expected: "[IBAN] and", because: "its remainder is 1" },
    { text: "gb82west12345698765432", expected: "[IBAN]", because: "people type small letters" },
    { text: "GB82 WEST 1234 5698 7654 33", expected: "GB82 WEST 1234 5698 7654 33", because: "its remainder is not 1" },
    { text: "078-05-1120", expected: "[SSN]", because: "a US social security number" },
    { text: "from 10.0.0.1, 2001:db8::1.", expected: "from [IP], [IP].", because: "both versions" },
    {
      text: "at 12:34:56 std::vector a::b 1.2.3",
      expected: "at 12:34:56 std::vector a::b 1.2.3",
      because: "none of them is an address",
    },
    { text: "00:1a:2b:3c:4d:5e", expected: "[MAC]", because: "hardware has an address, too" },
    {
      text: "key sk-abcdefghijklmnopqrstu, AKIAIOSFODNN7EXAMPLE",
      expected: "key [SECRET], [SECRET]",
      because: "vendors mark them",
    },
    { text: "Bearer abcdefghijklmnop1234", expected: "Bearer [SECRET]", because: "a header was pasted" },
    { text: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def_", expected: "[SECRET]", because: "a JSON Web Token" },
    { text: "password: hunter22", expected: "password: [SECRET]", because: "it says so" },
    {
      text: "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY----- x",
      expected: "[SECRET] x",
      because: "PEM",
    },
    {
      text: "https://joe:pa55@h.example/p?id=abcdefghijklmnopqrstuvwxyz&q=1",
      expected: "https://[CREDENTIALS]@h.example/p?id=[VALUE]&q=1",
      because: "URLs carry credentials",
    },
    { text: "Dear Maria Garcia, thanks", expected: "Dear [NAME], thanks", because: "a name follows a greeting" },
    { text: "hi how are you", expected: "hi how are you", because: "no name follows" },
    {
      text: '{"email":"a\\u0040b.com","n":4111111111111111,"password":"x"}',
      expected: '{"email":"[EMAIL]","n":"[NUMBER]","password":"[SECRET]"}',
      because: "JSON stays JSON",
    },
    {
      text: '{"inner":"{\\"to\\":\\"a@b.com\\"}"}',
      expected: '{"inner":"{\\"to\\":\\"[EMAIL]\\"}"}',
      because: "so does JSON within",
    },
    {
      text: '{"email":"a\\u0040b.com", broken',
      expected: '{"email":"[EMAIL]", broken',
      because: "it was cut, and escapes stay",
    },
    { text: "[1,2,3]", expected: "[1,2,3]", because: "nothing is in it" },
  ])("$text: $because", ({ text, expected }) => {
    expect(redact(text)).toBe(expected);
  });

  test("of the countries that a policy names, without a prefix", () => {
    expect(redactorOf({ phoneCountries: ["ES"] })("Llama al 612 34 56 78.")).toBe("Llama al [PHONE].");
    expect(redactorOf({ phoneCountries: [] })("Llama al 612 34 56 78.")).toBe("Llama al 612 34 56 78.");
  });

  test("by the policy's own patterns, their replacements taken literally", () => {
    const own = redactorOf({
      patterns: [
        { name: "customer", pattern: "ACME-\\d{4,8}" },
        { name: "room", pattern: "R\\d{3}", replacement: "$& room" },
      ],
    });
    expect(own("ACME-12345 in R101, acme-1")).toBe("[CUSTOMER] in $& room, acme-1");
  });

  test("where it is somebody's value, in text, in URLs and in JSON", () => {
    const hidden = [
      { value: 'joe"s id', shown: "tok_1" },
      { value: "gold", shown: "[TIER]" },
    ];
    expect(redact('I am joe"s id, see /u/joe%22s%20id; golden gold.', hidden)).toBe(
      "I am tok_1, see /u/tok_1; golden [TIER].",
    );
    expect(redact('{"who":"joe\\"s id"}', hidden)).toBe('{"who":"tok_1"}');
  });
});

describe("redaction takes time in proportion to the text's length", () => {
  /** Milliseconds of processor time, the least of three. */
  const cost = (text: string): number =>
    Math.min(
      ...Array.from({ length: 3 }, () => {
        const before = process.cpuUsage();
        redact(text);
        const { user, system } = process.cpuUsage(before);
        return (user + system) / 1000;
      }),
    );

  test.each(
    [
      "1",
      "1 ",
      "a@",
      "a-",
      "%40",
      "@%4",
      "eyJ",
      "::",
      "ab:",
      "AA11",
      "Dear Aaa ",
      "+1(",
      "4111 ",
      "://a@b?c=",
      "sk-",
      "1234567 x ",
      "bearer ",
      "password:   ",
      "(212) 212 ",
      "1.1.",
      "＠",
      "谢@",
      "+1\n\n",
      '{"a":"',
      "[",
    ].map((unit) => ({ unit })),
  )(
    "of a megabyte of $unit",
    ({ unit }) => {
      const [small, large] = [128 * 1024, 1024 * 1024].map((length) => cost(unit.repeat(length / unit.length)));
      // Eight times the text may take 20 times the time, collecting garbage included; squared it would be 64 times.
      expect(large!).toBeLessThan(20 * Math.max(small!, 15));
    },
    60_000,
  );
});

describe("a value that is hidden", () => {
  const redact = textRedactor({ patterns: [], phoneCountries: ["US"] });
  test.each([
    { text: "card 5500 0000 0000 0004 please", value: "0004", shown: "tok_1", expected: "card [CARD] please" },
    { text: "write to jan.novak@corp.com", value: "novak", shown: "tok_2", expected: "write to [EMAIL]" },
    { text: "novak wrote", value: "novak", shown: "tok_3", expected: "tok_3 wrote" },
  ])("does not keep what it is a part of from being recognised: $text", ({ text, value, shown, expected }) =>
    expect(redact(text, [{ value, shown }])).toBe(expected),
  );
});
