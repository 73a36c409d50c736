import { describe, expect, test } from "vitest";
import { Policy } from "../../src/core/policy.ts";
import { contentHandling, Privacy } from "../../src/core/privacy.ts";
import { createSpanRedaction } from "../../src/privacy/span-redaction.ts";

const policyOf = (privacy?: unknown) =>
  Policy.parse({
    policy: "support",
    attributes: {
      tier: { type: "string", values: ["gold", "free"] },
      topic: { type: "string" },
      account: { type: "number" },
      beta: { type: "boolean" },
    },
    variants: { v: { provider: "p", model: "m" } },
    default: "v",
    ...(privacy === undefined ? {} : { privacy }),
  });
const redactionOf = (privacy?: unknown) => createSpanRedaction(policyOf(privacy), "secret");
const nobody = { session: null, user: null, keyId: null, attributes: {} };

describe("what a policy lets out", () => {
  test("is, without a word of it, closed lists as they are, free text redacted and identifiers as tokens", () => {
    const { attribute, identifier, text } = redactionOf();
    expect(attribute("tier", "gold")).toBe("gold");
    expect(attribute("beta", true)).toBe(true);
    expect(attribute("topic", "mail joe@x.com")).toBe("mail [EMAIL]");
    expect(attribute("account", 12)).toBe(12);
    expect(attribute("account", 4_111_111_111_111_111)).toBe("[CARD]");
    expect(attribute("undeclared", "joe@x.com")).toBe("[EMAIL]");
    for (const kind of ["session", "user", "key"] as const) expect(identifier(kind, "u-7")).toMatch(/^tok_/);
    expect(identifier("user", "u-7")).not.toBe(identifier("session", "u-7"));
    expect(text("joe@x.com")).toBe("[EMAIL]");
  });

  test("is what it says of each attribute and identifier", () => {
    const { attribute, identifier } = redactionOf({
      attributes: { tier: "tokenise", topic: "keep", account: "drop" },
      identifiers: { session: "keep", user: "drop" },
    });
    expect(attribute("tier", "gold")).toMatch(/^tok_/);
    expect(attribute("topic", "joe@x.com")).toBe("joe@x.com");
    expect(attribute("account", 12)).toBeNull();
    expect(identifier("session", "s")).toBe("s");
    expect(identifier("user", "u")).toBeNull();
    expect(identifier("key", "k")).toMatch(/^tok_/);
  });

  test("is nothing but what it names where others are dropped", () => {
    const { attribute } = redactionOf({ attributes: { tier: "keep" }, otherAttributes: "drop" });
    expect(attribute("tier", "gold")).toBe("gold");
    expect(attribute("beta", true)).toBeNull();
    expect(attribute("constructor", "x")).toBeNull();
  });

  test("stays the same however often and however much else is asked for", () => {
    const { identifier } = redactionOf();
    const first = identifier("user", "u-0");
    for (let i = 0; i < 20_000; i++) identifier("user", `u-${i}`);
    expect(identifier("user", "u-0")).toBe(first);
  });

  test("hides in content what does not leave as it is, the longest first", () => {
    const { hidden, identifier } = redactionOf({ attributes: { account: "drop" }, identifiers: { key: "keep" } });
    const attributes = { tier: "gold", topic: "harmless", account: 4711, beta: true };
    expect(hidden({ session: "s-1", user: "user-77", keyId: "abcdefgh", attributes })).toEqual([
      { value: "user-77", shown: identifier("user", "user-77") },
      { value: "4711", shown: "[ACCOUNT]" },
      { value: "s-1", shown: identifier("session", "s-1") },
    ]);
    expect(hidden(nobody)).toEqual([]);
  });

  test.each([
    { privacy: undefined, segment: { risk: "low" }, expected: "redacted" },
    { privacy: undefined, segment: { risk: "high" }, expected: "off" },
    { privacy: {}, segment: { risk: "medium" }, expected: "redacted" },
    { privacy: { content: { low: "off" } }, segment: { risk: "low" }, expected: "off" },
    { privacy: { content: { high: "redacted" } }, segment: { risk: "high" }, expected: "redacted" },
    { privacy: {}, segment: { risk: "high", privacy: { content: "redacted" } }, expected: "redacted" },
    { privacy: {}, segment: { risk: "low", privacy: { content: "off" } }, expected: "off" },
  ] as const)("is content by the segment, else by its risk: $privacy, $segment", ({ privacy, segment, expected }) => {
    expect(contentHandling(privacy === undefined ? undefined : Privacy.parse(privacy), segment)).toBe(expected);
  });
});

describe("a pattern of a policy", () => {
  test.each([
    "ACME-\\d{4,8}",
    "(?:a|b){1,5}c",
    "\\p{Lu}\\d{6}",
    "[a-z]{3}|b",
    "\\bK\\d{3}\\b",
    "\\u{1F600}",
    "[\\]a]{2}",
    "x\\+?",
  ])("may be %s", (pattern) => {
    expect(Privacy.safeParse({ patterns: [{ name: "own", pattern }] }).success).toBe(true);
  });

  test.each([
    { pattern: "a+b", because: "the repetition '+' has no end" },
    { pattern: "a{2,}", because: "the repetition '{2,}' has no end" },
    { pattern: "(a*)*", because: "has no end" },
    { pattern: "(?:a{1,10}){1,10}", because: "too long" },
    { pattern: "(?:a|a){1,30}", because: "too long" },
    { pattern: "(?=a)b", because: "looks around" },
    { pattern: "(a)\\1", because: "refers to what a group matched" },
    { pattern: "a?", because: "matches nothing" },
    { pattern: "(?:|a)", because: "matches nothing" },
    { pattern: "[a", because: "no regular expression" },
  ])("may not be $pattern: $because", ({ pattern, because }) => {
    const { error } = Privacy.safeParse({ patterns: [{ name: "own", pattern }] });
    expect(error?.issues[0]?.message).toContain(because);
  });
});
