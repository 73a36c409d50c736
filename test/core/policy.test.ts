import { readFile } from "node:fs/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { lint } from "../../src/core/lint.ts";
import { Policy } from "../../src/core/policy.ts";
import { emptyState } from "../../src/core/state.ts";
import { policySource, readPolicyFiles } from "../../src/stores/policy-files.ts";
import { policySchemaText } from "../../scripts/policy-schema.ts";

const policies = new URL("../../policies/", import.meta.url);

const text = fc.string({ minLength: 10, maxLength: 40 });
const id = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
const unit = fc.double({ min: 0.001, max: 0.499, noNaN: true });
const document = fc.record(
  {
    policy: id,
    description: text,
    attributes: fc.dictionary(
      name,
      fc.record(
        {
          type: fc.constantFrom("string", "number"),
          values: fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 3 }),
        },
        { requiredKeys: ["type"] },
      ),
      { maxKeys: 3 },
    ),
    metrics: fc.dictionary(
      name,
      fc.oneof(
        fc.record({ from: fc.constant("error") }),
        fc.record({ from: fc.constant("latency"), slowerThanMs: fc.nat().map((ms) => ms + 1) }),
      ),
      { maxKeys: 2 },
    ),
    variants: fc.dictionary(
      id,
      fc.record({ provider: id, model: text, parameters: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }) }),
      { maxKeys: 3 },
    ),
    default: id,
    segments: fc.array(
      fc.record({
        id,
        when: fc.string({ minLength: 1, maxLength: 60 }),
        owner: text,
        objectives: fc.array(fc.record({ metric: name, against: fc.constant("baseline"), tolerance: unit }), {
          maxLength: 2,
        }),
        ladder: fc.array(
          fc.record({ variant: id, validated: fc.record({ score: unit, items: fc.integer({ min: 1, max: 999 }) }) }),
          { minLength: 1, maxLength: 2 },
        ),
        why: text,
      }),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: ["policy", "variants", "default"] },
);

describe("a policy document", () => {
  test("is the same after it was written as YAML and read", () => {
    fc.assert(
      fc.property(document, (written) => {
        const policy = Policy.parse(written);
        const read = policySource("a.yaml", stringify(policy));
        expect(read.faults).toEqual([]);
        expect(read.document).toEqual(policy);
      }),
      { numRuns: 100 },
    );
  });

  test("that has its defaults filled in parses to itself", () => {
    fc.assert(
      fc.property(document, (written) => {
        const policy = Policy.parse(written);
        expect(Policy.parse(policy)).toEqual(policy);
      }),
      { numRuns: 50 },
    );
  });
});

describe("the policies in this repository", () => {
  test("have no fault", async () => {
    const { sources, prompts } = await readPolicyFiles(policies.pathname);
    expect(lint(sources, prompts, emptyState)).toEqual([]);
    expect(sources.map(({ document }) => document?.policy)).toContain("support-chat");
  });

  test("name their schema in the first line, for editors", async () => {
    expect(await readFile(new URL("support-chat.yaml", policies), "utf8")).toMatch(
      /^# yaml-language-server: \$schema=policy\.schema\.json\n/,
    );
  });

  test("have the schema that the code has: if this fails, run `npm run schema`", async () => {
    expect(await readFile(new URL("policy.schema.json", policies), "utf8")).toBe(policySchemaText());
  });
});

test("every key in the policy schema is described", () => {
  const bare: string[] = [];
  const visit = (node: unknown, path: string): void => {
    if (node === null || typeof node !== "object") return;
    const { properties } = node as { properties?: Record<string, { description?: unknown }> };
    for (const [key, property] of Object.entries(properties ?? {}))
      if (typeof property.description !== "string") bare.push(`${path}.${key}`);
    for (const [key, child] of Object.entries(node)) visit(child, `${path}.${key}`);
  };
  visit(JSON.parse(policySchemaText()), "");
  // What `validated` holds is described by the key itself.
  expect(bare.filter((path) => !path.includes(".validated."))).toEqual([]);
});
