import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attributes } from "../../src/core/attributes.ts";
import { Policy } from "../../src/core/policy.ts";
import { predicateCompiler } from "../../src/core/predicate.ts";
import { unreachableSegments } from "../../src/core/reachability.ts";

const policyOf = (attributes: object, predicates: readonly string[]): Policy =>
  Policy.parse({
    policy: "chat",
    attributes,
    variants: { one: { provider: "openai", model: "m" } },
    default: "one",
    segments: predicates.map((when, i) => ({
      id: `s${i}`,
      when,
      owner: "team",
      ladder: [{ variant: "one" }],
      why: "a segment of the test",
    })),
  });

const attributes = {
  region: { type: "string", values: ["eu", "us"] },
  tier: { type: "string", values: ["free", "pro"], default: "free" },
  premium: { type: "boolean" },
  topic: { type: "string" },
  length: { type: "number" },
};

const judge = (predicates: readonly string[], specs: object = attributes) => {
  const policy = policyOf(specs, predicates);
  return unreachableSegments(policy, predicateCompiler(policy.attributes)).map(
    ({ index, coveredBy }) => `s${index}: ${coveredBy.join(" ")}`,
  );
};

describe("a segment is unreachable", () => {
  test.each<{ because: string; predicates: string[]; expected: string[] }>([
    { because: "true stands before it", predicates: ["true", "premium"], expected: ["s1: s0"] },
    {
      because: "two together take all values of an attribute with a default",
      predicates: ['tier == "free"', 'tier == "pro"', "premium"],
      expected: ["s2: s0 s1"],
    },
    {
      because: "it wants a value that a closed list does not have",
      predicates: ['region == "moon"'],
      expected: ["s0: "],
    },
    {
      because: "an open string can be one thing only",
      predicates: ['topic == "a" && topic == "b"'],
      expected: ["s0: "],
    },
    {
      because: "a range lies inside another",
      predicates: ["length > 5", "length >= 7 && length < 9"],
      expected: ["s1: s0"],
    },
    {
      because: "its decidable part alone is covered",
      predicates: ['region == "eu"', 'topic.contains("x") && region == "eu"'],
      expected: ["s1: s0"],
    },
    {
      because: "the same words decide the same, whatever they do",
      predicates: ['topic.contains("x")', ' topic.contains("x")'],
      expected: ["s1: s0"],
    },
  ])("when $because", ({ predicates, expected }) => {
    expect(judge(predicates)).toEqual(expected);
  });

  test("by pairs, where all requests together are too many to try", () => {
    const many = Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [`a${i}`, { type: "string", values: ["a", "b", "c", "d", "e"] }]),
    );
    const predicates = Array.from({ length: 8 }, (_, i) => `a${i} in ["a", "b"]`);
    expect(judge([...predicates, 'a3 == "b" && a0 == "e"'], many)).toEqual(["s8: s3"]);
  });
});

describe("a segment counts as reachable", () => {
  test.each<{ because: string; predicates: string[] }>([
    {
      because: "a request may lack an attribute without a default",
      predicates: ['region == "eu"', 'region == "us"', 'region == "eu" || premium'],
    },
    { because: "an open string has other values", predicates: ['topic == "a"', 'topic != "a"', "true"] },
    { because: "a value lies between two numbers", predicates: ["length < 1", "length > 1", "length == 1.0"] },
    { because: "a number can be very large", predicates: ["length <= 1e300", "length > 1e300"] },
    { because: "strings have an order that literals do not show", predicates: ['topic > "a"', 'topic == "b"'] },
    { because: "two attributes are compared", predicates: ["topic == tier", 'topic == "a"'] },
    { because: "it stands before what is wider", predicates: ['region == "eu" && premium', 'region == "eu"'] },
    { because: "one before it has a fault", predicates: ["tru", "premium"] },
  ])("because $because", ({ predicates }) => {
    expect(judge(predicates)).toEqual([]);
  });
});

/** Everything that a request can carry, written out by hand, without the code that is judged. */
const requests: Attributes[] = ["eu", "us", null].flatMap((region) =>
  ["free", "pro"].flatMap((tier) =>
    [true, false, null].flatMap((premium) =>
      ["a", "b", "c", "zebra", null].flatMap((topic) =>
        [-1e308, 0, 0.5, 1, 1.5, 2, 2.2, 2.5, 2.7, 3, 1e308, null].map(
          (length) =>
            Object.fromEntries(
              Object.entries({ region, tier, premium, topic, length }).filter(([, value]) => value !== null),
            ) as Attributes,
        ),
      ),
    ),
  ),
);

const atom = fc.constantFrom(
  'region == "eu"',
  'region != "us"',
  'region in ["eu", "us"]',
  'tier == "pro"',
  '"free" == tier',
  "premium",
  'topic == "a"',
  'topic != "b"',
  'topic in ["a", "b", "c"]',
  "length > 1",
  "2 <= length",
  "length in [1.0, 3.0]",
  "length < 2.5",
  "true",
);
/** These do more than compare with literals, so the analysis must not believe that it understands them. */
const opaque = fc.constantFrom(
  'topic.startsWith("z")',
  'topic > "b"',
  "length + 1.0 > 2.0",
  "topic == tier",
  '[topic].exists(x, x == "a")',
);
const predicateOf = (leaf: fc.Arbitrary<string>) =>
  fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      leaf,
      fc.tuple(tie("node"), fc.constantFrom("&&", "||"), tie("node")).map(([a, op, b]) => `(${a}) ${op} (${b})`),
      fc.tuple(tie("node"), tie("node")).map(([a, b]) => `${a} && ${b}`),
      tie("node").map((a) => `!(${a})`),
    ),
  })).node;

/** For each segment whether some request reaches it first. */
function reachedByForce(predicates: readonly string[]): boolean[] {
  const compile = predicateCompiler(policyOf(attributes, []).attributes);
  const compiled = predicates.map((when) => {
    const result = compile(when);
    if ("fault" in result) throw new Error(`${when}: ${result.fault.problem}`);
    return result.predicate;
  });
  const reached = predicates.map(() => false);
  for (const request of requests) {
    const first = compiled.findIndex((predicate) => predicate.matches(request));
    if (first >= 0) reached[first] = true;
  }
  return reached;
}

describe("the analysis of which segments are unreachable", () => {
  test("never names one that a request reaches", () => {
    fc.assert(
      fc.property(fc.array(predicateOf(fc.oneof(atom, opaque)), { minLength: 1, maxLength: 5 }), (predicates) => {
        const reached = reachedByForce(predicates);
        for (const named of judge(predicates)) expect(reached[Number(/\d+/.exec(named)![0])], named).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("names every one that no request reaches, where predicates only compare with literals", () => {
    fc.assert(
      fc.property(fc.array(predicateOf(atom), { minLength: 1, maxLength: 5 }), (predicates) => {
        const expected = reachedByForce(predicates).flatMap((reached, i) => (reached ? [] : [i]));
        expect(judge(predicates).map((named) => Number(/\d+/.exec(named)![0]))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});
