import { describe, expect, test } from "vitest";
import { promptOf } from "../../src/core/policy-source.ts";
import { Policy } from "../../src/core/policy.ts";
import type { Publication } from "../../src/core/publication.ts";
import { createControlPlane } from "../../src/loop/control-plane.ts";
import { publishPolicies, type PublishInput } from "../../src/loop/publish-policy.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { openSwitchover } from "../core/open-switchover.ts";

const actor = { kind: "operator", id: "test" } as const;
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

type Input = Record<string, unknown>;
const segment = (over: Input = {}): Input => ({
  id: "first",
  when: "premium",
  owner: "team",
  ladder: [{ variant: "one" }, { variant: "two" }],
  why: "a segment of the test",
  ...over,
});
const publicationOf = (over: Input = {}, text = "Be kind."): Publication => ({
  policy: Policy.parse({
    policy: "chat",
    attributes: { premium: { type: "boolean" } },
    metrics: { failure: { from: "error" } },
    variants: {
      one: { provider: "openai", model: "a", prompt: "support@v1" },
      two: { provider: "openai", model: "b" },
    },
    default: "one",
    segments: [segment()],
    ...over,
  }),
  prompts: { "support@v1": promptOf(text) },
});

async function start() {
  // Nobody hears of growth here, so that an instance only knows what it asks for.
  const ledger = { ...createMemoryLedger(), follow: () => () => undefined };
  const join = () =>
    createControlPlane({ ledger, log, clock: { now: () => 5000 }, counters: { add: () => undefined } });
  const controlPlane = await join();
  const publish = (policies: readonly Publication[], expectedRevision: PublishInput["expectedRevision"] = null) =>
    publishPolicies({ controlPlane }, { policies, expectedRevision, actor });
  const types = async () => (await ledger.read(0, 1000)).map(({ event }) => event.type);
  return { ledger, join, controlPlane, publish, types };
}

const hubPublication = (ref: string, source: object): Publication => ({
  policy: publicationOf({
    variants: { one: { provider: "openai", model: "a", prompt: ref, promptSource: source } },
    segments: [],
  }).policy,
  prompts: { [ref]: promptOf("Be kind.") },
});
const SUPPORT = { hub: "arize", prompt: "Support", version: "v3" };

describe("a prompt that is said to be of a hub", () => {
  test.each([
    { because: "it is no hub's name", ref: "support@v1", source: SUPPORT },
    { because: "it is another version", ref: "hub-arize-support@v4", source: SUPPORT },
    { because: "it is another prompt", ref: "hub-arize-sales@v3", source: SUPPORT },
    { because: "it is another hub", ref: "hub-phoenix-support@v3", source: SUPPORT },
    {
      because: "an id of another hub is a name",
      ref: "hub-phoenix-x@v3",
      source: { ...SUPPORT, hub: "phoenix", prompt: btoa("Prompt:12") },
    },
    {
      because: "it has no version",
      ref: "hub-arize-support@v3",
      source: { ...SUPPORT, version: undefined, label: "l" },
    },
    {
      because: "it is another version of a prompt by its id",
      ref: "hub-arize-x@v4",
      source: { ...SUPPORT, prompt: btoa("Prompt:12") },
    },
  ])("is refused under a name that it cannot have: $because", async ({ ref, source }) => {
    const { publish, types } = await start();
    await expect(publish([hubPublication(ref, source)])).rejects.toMatchObject({
      code: "invalid_request",
      reason: "prompt_source",
      message: expect.stringContaining(`'${ref}'`),
    });
    expect(await types()).toEqual([]);
  });

  test.each([
    { ref: "hub-arize-support@v3", source: { ...SUPPORT, label: "production", promptId: "p1" } },
    { ref: "hub-arize-whatever-it-is@v3", source: { ...SUPPORT, prompt: btoa("Prompt:12") } },
    { ref: "hub-phoenix-a-b@7", source: { hub: "phoenix", prompt: "a b", version: btoa("PromptVersion:7") } },
  ])("is published as $ref", async ({ ref, source }) => {
    const { publish } = await start();
    expect(await publish([hubPublication(ref, source)])).toMatchObject({ published: ["chat"] });
  });
});

describe("publishing policies", () => {
  const other = segment({ id: "zeroth", when: "!premium" });
  test.each([
    { over: { segments: [other, segment()] }, ends: true, because: "a segment is tried before it now" },
    { over: { segments: [segment(), other] }, ends: false, because: "the new one is tried after it" },
    { over: { attributes: { premium: { type: "boolean", default: true } } }, ends: true, because: "a default changed" },
    {
      over: { attributes: { premium: { type: "boolean", description: "paid" } } },
      ends: false,
      because: "a description is for people",
    },
    { over: { canary: { labelsMax: 50 } }, ends: true, because: "canaries are run otherwise" },
  ])("ends an open switchover ($ends) when $because", async ({ over, ends }) => {
    const { publish, controlPlane } = await start();
    await publish([publicationOf()]);
    await controlPlane.commit(actor, () => [openSwitchover("chat", "first")]);
    expect((await publish([publicationOf(over)])).superseded).toEqual(ends ? ["switchover-first"] : []);
  });

  test("appends one entry per policy, in one commit, and says the revision", async () => {
    const { publish, controlPlane } = await start();
    const result = await publish([publicationOf(), publicationOf({ policy: "other" })], 0);
    expect(result).toEqual({ published: ["chat", "other"], unchanged: [], superseded: [], revision: 2 });
    expect(Object.keys(controlPlane.state().policies)).toEqual(["chat", "other"]);
  });

  test("appends nothing when what is there is published again, even with the plan that published it", async () => {
    const { publish, types } = await start();
    await publish([publicationOf()], 0);
    const again = await publish([publicationOf()], 0);
    expect(again).toEqual({ published: [], unchanged: ["chat"], superseded: [], revision: 1 });
    expect(await types()).toEqual(["policy.published"]);
  });

  test("refuses a plan made on another revision, and appends nothing", async () => {
    const { publish, types } = await start();
    await publish([publicationOf()]);
    await expect(publish([publicationOf({ description: "new" })], 0)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/revision 0.*revision 1.*Plan again/),
    });
    expect(await types()).toHaveLength(1);
  });

  test("reads what another instance wrote before it compares revisions", async () => {
    const { ledger, join, publish } = await start();
    const elsewhere = await join();
    await publishPolicies({ controlPlane: elsewhere }, { policies: [publicationOf()], expectedRevision: 0, actor });
    const result = await publish([publicationOf({ description: "new" })], 1);
    expect(result.revision).toBe(2);
    expect((await ledger.head()).seq).toBe(2);
  });

  test("stores only the prompts that the policy's variants name", async () => {
    const { publish, controlPlane } = await start();
    const { policy, prompts } = publicationOf();
    await publish([{ policy, prompts: { ...prompts, "unused@v1": promptOf("x") } }]);
    expect(Object.keys(controlPlane.state().prompts)).toEqual(["support@v1"]);
  });

  test("ends an open switchover before the policy that changes its segment", async () => {
    const { publish, controlPlane, types } = await start();
    await publish([publicationOf()]);
    await controlPlane.commit(actor, () => [openSwitchover("chat", "first")]);
    const result = await publish([publicationOf({ segments: [segment({ when: "!premium" })] })]);
    expect(result.superseded).toEqual(["switchover-first"]);
    expect(await types()).toEqual(["policy.published", "switchover.proposed", "switchover.moved", "policy.published"]);
    expect(controlPlane.state().switchovers["switchover-first"]?.phase).toEqual({
      kind: "superseded",
      since: 5000,
      because: "the definition of segment 'first' changed",
    });
    expect(controlPlane.state().segments["chat/first"]?.open).toBeNull();
  });

  test("leaves an open switchover alone that the publication does not touch", async () => {
    const { publish, controlPlane } = await start();
    await publish([publicationOf()]);
    await controlPlane.commit(actor, () => [openSwitchover("chat", "first")]);
    expect((await publish([publicationOf({ guard: { movesPerHour: 1 } })])).superseded).toEqual([]);
    expect(controlPlane.state().segments["chat/first"]?.open).toBe("switchover-first");
  });

  test.each<{ because: string; policies: Publication[]; reason: string }>([
    {
      because: "a published prompt version has another text",
      policies: [publicationOf({}, "Be rude.")],
      reason: "prompt_changed",
    },
    {
      because: "a published variant has other content",
      policies: [
        publicationOf({
          variants: {
            one: { provider: "openai", model: "a", prompt: "support@v1" },
            two: { provider: "openai", model: "z" },
          },
        }),
      ],
      reason: "variant_changed",
    },
    {
      because: "a predicate does not compile",
      policies: [publicationOf({ segments: [segment({ when: "premum" })] })],
      reason: "unknown_attribute",
    },
    {
      because: "lint calls it an error",
      policies: [publicationOf({ segments: [segment({ risk: "high", mode: "auto" })] })],
      reason: "high_risk_auto",
    },
    { because: "a prompt has no text", policies: [{ ...publicationOf(), prompts: {} }], reason: "unknown_prompt" },
    {
      because: "a digest is not the text's",
      policies: [{ ...publicationOf(), prompts: { "support@v1": { text: "Be kind.", digest: promptOf("x").digest } } }],
      reason: "prompt_digest",
    },
    {
      because: "the same policy comes twice",
      policies: [publicationOf(), publicationOf({ description: "x" })],
      reason: "duplicate_policy",
    },
    {
      because: "two policies bring different texts for a prompt",
      policies: [publicationOf(), publicationOf({ policy: "other" }, "Be rude.")],
      reason: "prompt_changed",
    },
    {
      because: "one of several is wrong",
      policies: [publicationOf({ policy: "good" }), publicationOf({ policy: "bad", default: "three" })],
      reason: "unknown_variant",
    },
  ])("is refused as a whole when $because", async ({ policies, reason }) => {
    const { publish, types } = await start();
    await publish([publicationOf()]);
    await expect(publish(policies)).rejects.toMatchObject({ name: "RouterError", code: "invalid_request", reason });
    expect(await types()).toEqual(["policy.published"]);
  });
});
