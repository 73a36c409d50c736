import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Policy } from "../../../src/core/policy.ts";
import type { ContentRedaction } from "../../../src/core/privacy.ts";
import { createSpanRedaction } from "../../../src/privacy/span-redaction.ts";
import { createContentEncoder, inlineRunner } from "../../../src/telemetry/content/content-encoder.ts";
import { createSpanEncoder } from "../../../src/telemetry/spans/encode-span.ts";
import { exportRequest, requestHead } from "../../../src/telemetry/spans/export-request.ts";
import { decision, servedSpan, variant } from "../spans/served-spans.ts";
import { formsOf, identifier, opaque, textWith } from "./planted.ts";
import { plantedContent } from "./planted-answers.ts";

const policy = Policy.parse({
  policy: "support-chat",
  attributes: {
    customer: { type: "string" },
    note: { type: "string" },
    reference: { type: "string" },
    region: { type: "string", values: ["eu"] },
  },
  variants: { warm: { provider: "openai", model: "m" } },
  default: "warm",
  segments: [{ id: "eu", when: "region == 'eu'", owner: "eu", ladder: [{ variant: "warm" }], why: "To be looked at." }],
  privacy: { attributes: { note: "drop", reference: "tokenise" } },
});
const text = "Help {{customer}}: {{note}}, {{reference}}.";
const prompt = { ref: "help@1", text, variables: ["customer", "note", "reference"] };
const templated = { ...decision, variant: { ...variant, prompt } };
const head = requestHead("support", { name: "segue", version: "1.2.3", instance: "test" });

const planted = fc
  .record({
    known: fc.array(identifier, { minLength: 1, maxLength: 4 }),
    session: opaque("session"),
    user: fc.oneof(opaque("user"), identifier),
    keyId: opaque("key"),
    note: opaque("note"),
    reference: opaque("ref"),
  })
  .chain(({ known, ...own }) => {
    const values = [...known, ...Object.values(own)];
    return fc.record({
      values: fc.constant(values),
      own: fc.constant(own),
      customer: textWith(known),
      served: plantedContent(textWith(values)),
    });
  });
type Planted = typeof planted extends fc.Arbitrary<infer T> ? T : never;

/** The bytes that a collector gets of an answer. */
async function sentBytes({ own, customer, served }: Planted, redaction: ContentRedaction): Promise<Buffer> {
  const { session, user, keyId, note, reference } = own;
  const { wire, content } = served;
  const attributes = { region: "eu", customer, note, reference };
  const span = servedSpan(7, { policy, decision: templated, wire, attributes, session, user, keyId });
  const hidden = redaction.hidden({ session, user, keyId, attributes });
  const encoder = createContentEncoder({ runner: inlineRunner, policyOf: () => policy, counters: { add: () => {} } });
  const items = [{ policy: policy.policy, segment: "eu", wire, content, hidden }];
  const [encoded] = await encoder.encode(items);
  expect(encoded).toBeInstanceOf(Uint8Array);
  const waiting = { ...createSpanEncoder(() => redaction)(span), content: null };
  return Buffer.from(exportRequest(head, [{ span: waiting, content: encoded ?? null }]));
}

const leaked = (bytes: Buffer, values: readonly string[]): readonly string[] =>
  values.filter((value) => formsOf(value).some((form) => bytes.includes(form)));

const safe = createSpanRedaction(policy, "secret");

describe("of identifiers planted anywhere in questions, answers, attributes and prompts", () => {
  test("none is in any byte that leaves: not as it is, nor in Base64, nor escaped for JSON or URLs", async () => {
    await fc.assert(
      fc.asyncProperty(planted, async (given) => {
        expect(leaked(await sentBytes(given, safe), given.values)).toEqual([]);
      }),
      { numRuns: 1500 },
    );
  }, 120_000);

  test.each([
    {
      what: "prompts' variables",
      leaky: { ...safe, attribute: (_: string, value: string | number | boolean) => value },
    },
    { what: "users", leaky: { ...safe, identifier: (_: string, value: string) => value } },
    { what: "values in content", leaky: { ...safe, hidden: () => [] } },
  ])("one would be found if $what were not redacted", async ({ leaky }) => {
    const found: string[] = [];
    await fc.assert(
      fc.asyncProperty(planted, async (given) => {
        found.push(...leaked(await sentBytes(given, leaky), given.values));
      }),
      { numRuns: 20 },
    );
    expect(found).not.toEqual([]);
  });
});
