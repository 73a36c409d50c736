import { describe, expect, test } from "vitest";
import type { AttributeSpec } from "../../src/core/policy.ts";
import { predicateCompiler } from "../../src/core/predicate.ts";

const specs: Record<string, AttributeSpec> = {
  region: { type: "string", trust: "client" },
  premium: { type: "boolean", trust: "client" },
  length: { type: "number", trust: "client" },
};
const compile = predicateCompiler(specs);
const problemOf = (expression: string): string => {
  const compiled = compile(expression);
  if ("predicate" in compiled) throw new Error(`compiled: ${expression}`);
  return compiled.fault.problem;
};
const matches = (expression: string, attributes: Record<string, string | number | boolean>): boolean => {
  const compiled = compile(expression);
  if ("fault" in compiled) throw new Error(compiled.fault.problem);
  return compiled.predicate.matches(attributes);
};

describe("a predicate", () => {
  test.each([
    { expression: 'region == "eu"', attributes: { region: "eu" }, expected: true },
    { expression: 'region in ["eu", "us"] && !premium', attributes: { region: "us", premium: false }, expected: true },
    { expression: "length > 5", attributes: { length: 5 }, expected: false },
    { expression: "length == 5.0", attributes: { length: 5 }, expected: true },
    { expression: 'region.startsWith("e")', attributes: { region: "eu" }, expected: true },
    { expression: "true", attributes: {}, expected: true },
  ])("$expression on $attributes is $expected", ({ expression, attributes, expected }) => {
    expect(matches(expression, attributes as Record<string, string>)).toBe(expected);
  });

  test("does not match when it needs an attribute that is missing", () => {
    expect(matches('region == "eu"', {})).toBe(false);
    expect(matches('region != "eu"', {})).toBe(false);
    expect(matches('!(region == "eu")', {})).toBe(false);
  });

  test("matches without the missing attribute when the rest decides", () => {
    expect(matches('region == "eu" || premium', { premium: true })).toBe(true);
  });

  test("says which declared attributes it reads, and only those", () => {
    const compiled = compile('[region].exists(x, x == "eu") || premium');
    expect("predicate" in compiled && [...compiled.predicate.refs].sort()).toEqual(["premium", "region"]);
  });

  test.each([
    {
      because: "an attribute is unknown",
      expression: "regin == 1",
      problem: "unknown attribute 'regin'; declared: region",
    },
    { because: "types differ", expression: "region == 5", problem: "string == int" },
    { because: "an int meets a double", expression: "length + 1 > 2.0", problem: "write 1.0" },
    { because: "the value is a string", expression: "region", problem: "is a string, not a bool" },
    {
      because: "patterns can take exponential time",
      expression: 'region.matches("(a+)+$")',
      problem: "matches() is not allowed",
    },
    {
      because: "patterns hide inside",
      expression: '[1].exists(x, premium || region.matches("a"))',
      problem: "matches() is not allowed",
    },
    { because: "it does not parse", expression: "region ==", problem: "EOF" },
    { because: "it is too large", expression: Array(200).fill("premium").join(" || "), problem: "Exceeded" },
    { because: "it is too deep", expression: "(".repeat(50) + "premium" + ")".repeat(50), problem: "Exceeded" },
  ])("is refused when $because", ({ expression, problem }) => {
    expect(problemOf(expression)).toContain(problem);
  });

  test("says where in the expression the fault is", () => {
    const compiled = compile("premium && regin");
    expect("fault" in compiled && compiled.fault.range).toEqual({ start: 11, end: 16 });
  });
});
