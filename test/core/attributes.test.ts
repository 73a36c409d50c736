import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTrustedAs, resolveAttributes, type AttributeSources } from "../../src/core/attributes.ts";
import { AttributeSpec } from "../../src/core/policy.ts";

const specs = Object.fromEntries(
  Object.entries({
    region: { type: "string", values: ["eu", "us"], default: "us" },
    seats: { type: "number" },
    beta: { type: "boolean" },
    tier: { type: "string", trust: "key" },
    tenant: { type: "string", trust: "claim" },
  }).map(([name, spec]) => [name, AttributeSpec.parse(spec)]),
);
const resolve = (sources: AttributeSources) => resolveAttributes(specs, sources);

describe("attributes", () => {
  test("of a request that says nothing are the defaults", () => expect(resolve({})).toEqual({ region: "us" }));

  test.each([
    { client: { region: "eu" }, resolved: { region: "eu" }, because: "a value overrules the default" },
    { client: { seats: "5" }, resolved: { region: "us", seats: 5 }, because: "metadata carries numbers as text" },
    { client: { seats: -0.5 }, resolved: { region: "us", seats: -0.5 }, because: "it is a number" },
    { client: { beta: "true" }, resolved: { region: "us", beta: true }, because: "metadata carries booleans as text" },
    { client: { beta: false }, resolved: { region: "us", beta: false }, because: "it is a boolean" },
  ])("$client are $resolved, because $because", ({ client, resolved }) =>
    expect(resolve({ client })).toEqual(resolved),
  );

  test.each<{ client: Record<string, unknown>; code: string; reason: string }>([
    { client: { colour: "red" }, code: "invalid_request", reason: "unknown_attribute" },
    { client: { constructor: "x" }, code: "invalid_request", reason: "unknown_attribute" },
    { client: { region: "mars" }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { region: 5 }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { region: null }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { seats: "" }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { seats: "5 seats" }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { seats: Infinity }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { beta: "yes" }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { beta: 1 }, code: "invalid_request", reason: "invalid_attribute" },
    { client: { tier: "gold" }, code: "forbidden", reason: "untrusted_attribute" },
    { client: { tenant: "t" }, code: "forbidden", reason: "untrusted_attribute" },
  ])("$client are refused as $reason", ({ client, code, reason }) =>
    expect(() => resolve({ client })).toThrow(expect.objectContaining({ code, reason, param: Object.keys(client)[0] })),
  );

  test("of a key or claim that another policy declares are ignored", () =>
    expect(resolve({ key: { colour: "red" }, claim: { shape: "round" } })).toEqual({ region: "us" }));

  test("of a key that only a claim may set are ignored", () =>
    expect(resolve({ key: { tenant: "mallory" } })).toEqual({ region: "us" }));

  test("come from the most trusted source that carries them", () => {
    const text = fc.string({ maxLength: 9 });
    const source = fc.record({ region: fc.constantFrom("eu", "us"), seats: fc.integer() }, { requiredKeys: [] });
    const trusted = fc.record(
      { region: fc.constantFrom("eu", "us"), seats: fc.integer(), tier: text },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(source, trusted, trusted, (client, key, claim) => {
        expect(resolve({ client, key, claim })).toEqual({ region: "us", ...client, ...key, ...claim });
      }),
    );
  });

  test("are trusted by rank: a claim over a key over the client", () => {
    expect(isTrustedAs("claim", "key")).toBe(true);
    expect(isTrustedAs("key", "key")).toBe(true);
    expect(isTrustedAs("client", "key")).toBe(false);
    expect(isTrustedAs("key", "claim")).toBe(false);
  });
});
