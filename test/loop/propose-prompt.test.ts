import { describe, expect, test } from "vitest";
import { hubPromptName, type PromptHub } from "../../src/core/hub-prompt.ts";
import { Policy } from "../../src/core/policy.ts";
import { promptOf } from "../../src/core/policy-source.ts";
import type { Publication } from "../../src/core/publication.ts";
import { compileTable } from "../../src/core/table.ts";
import { configureSource } from "../../src/core/signal-source.ts";
import { createControlPlane } from "../../src/loop/control-plane.ts";
import { checkPromptLabels } from "../../src/loop/propose-prompt.ts";
import { publishPolicies } from "../../src/loop/publish-policy.ts";
import { receivePromptWebhook } from "../../src/loop/receive-prompt-webhook.ts";
import { arize } from "../../src/sources/arize.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { hmacHeaders } from "../fakes/arize/arize.ts";
import { scriptedHub } from "../prompt-hubs/scripted-hub.ts";

const START = Date.parse("2026-09-01T10:00:00Z");
const SECRET = "whsec_secret";
const actor = { kind: "operator", id: "test" } as const;

interface Pin {
  readonly version: string;
  readonly text: string;
  readonly label?: string;
  readonly hub?: string;
}
const publicationOf = (pins: Readonly<Record<string, Pin>>): Publication => {
  const refOf = ({ hub = "arize", version }: Pin) => `hub-${hub}-support@${version}`;
  const variants = Object.fromEntries(
    Object.entries(pins).map(([name, pin]) => {
      const { hub = "arize", version, label } = pin;
      const source = { hub, prompt: "support", version, promptId: "p1", ...(label === undefined ? {} : { label }) };
      return [name, { provider: "up", model: "m", prompt: refOf(pin), promptSource: source }];
    }),
  );
  return {
    policy: Policy.parse({ policy: "chat", variants, default: Object.keys(pins)[0] }),
    prompts: Object.fromEntries(Object.values(pins).map((pin) => [refOf(pin), promptOf(pin.text)])),
  };
};
const PUBLISHED = { one: { version: "v3", text: "Be kind.", label: "production" } };

async function world(pins: Readonly<Record<string, Pin>> = PUBLISHED) {
  const ledger = createMemoryLedger();
  const clock = { at: START, now: () => clock.at };
  const counted: string[] = [];
  const lines: string[] = [];
  const line = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { info: line, warn: line, error: line };
  const counters = {
    add: (name: string, labels: object = {}) => void counted.push([name, ...Object.values(labels)].join(" ")),
  };
  const join = () => createControlPlane({ ledger, clock, log, counters });
  const controlPlane = await join();
  // Checks begin with the first label.
  const random = { bytes: (count: number) => new Uint8Array(count) };
  const scripted = scriptedHub();
  scripted.add("v3", "Be kind.", { label: "production" });
  const deps = { controlPlane, hubs: { arize: scripted.hub }, log, counters, clock, random };
  const publish = (given: Readonly<Record<string, Pin>>) =>
    publishPolicies({ controlPlane }, { policies: [publicationOf(given)], expectedRevision: null, actor });
  await publish(pins);
  const settings = { apiKey: "k", webhook: { auth: "hmac", secret: SECRET } };
  const receive = receivePromptWebhook({ ...deps, source: configureSource(arize, settings) });
  let deliveries = 0;
  const ring = (body: unknown, { key = SECRET, id = `d${(deliveries += 1)}` } = {}) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = hmacHeaders(text, { timestamp: clock.at / 1000, key, id });
    return receive({ rawBody: new TextEncoder().encode(text), headers });
  };
  return {
    ...scripted,
    deps,
    controlPlane,
    join,
    publish,
    counted,
    lines,
    ring,
    check: () => checkPromptLabels(deps),
    proposals: () => Object.values(controlPlane.state().promptProposals),
    types: async () => (await ledger.read(0, 1000)).map(({ event }) => event.type),
    served: () => compileTable(controlPlane.state()).policies.get("chat")?.variants.get("one")?.prompt?.text,
  };
}
const labeled = { event: "prompt.version.labeled", data: { prompt_id: "p1" } };

describe("a label that moved", () => {
  test("to another text is proposed once, and nothing that is served changes", async () => {
    const { add, check, proposals, served, types, controlPlane, lines } = await world();
    add("v4", "Be brief.", { label: "production" });
    const { revision } = controlPlane.state();
    expect(await check()).toEqual({ asked: 1, failed: 0, skipped: 0, proposed: 1, withdrawn: 0 });
    expect(await check()).toEqual({ asked: 1, failed: 0, skipped: 0, proposed: 0, withdrawn: 0 });
    const proposed = { policy: "chat", variant: "one", hub: "arize", prompt: "support", label: "production" };
    expect(proposals()).toEqual([{ ...proposed, version: "v4", digest: promptOf("Be brief.").digest, at: START }]);
    expect(await types()).toEqual(["policy.published", "prompt.proposed"]);
    expect([served(), controlPlane.state().revision]).toEqual(["Be kind.", revision]);
    expect(lines.filter((line) => line.includes("not published"))).toHaveLength(1);
  });

  test("is proposed once by two instances that notice it together", async () => {
    const { add, deps, join, types } = await world();
    const elsewhere = await join();
    add("v4", "Be brief.", { label: "production" });
    await Promise.all([checkPromptLabels(deps), checkPromptLabels({ ...deps, controlPlane: elsewhere })]);
    expect(await types()).toEqual(["policy.published", "prompt.proposed"]);
  });

  test("on to a third version replaces the proposal, and back ends it", async () => {
    const { add, labels, check, proposals, types } = await world();
    add("v4", "Be brief.", { label: "production" });
    await check();
    add("v5", "Be wise.", { label: "production" });
    await check();
    expect(proposals()).toMatchObject([{ version: "v5" }]);
    labels.set("production", "v3");
    expect(await check()).toMatchObject({ withdrawn: 1 });
    expect(proposals()).toEqual([]);
    await check();
    expect(await types()).toEqual(["policy.published", "prompt.proposed", "prompt.proposed", "prompt.withdrawn"]);
  });

  test("to a version of the published text is no proposal", async () => {
    const { add, check, proposals } = await world();
    add("v4", "Be kind.", { label: "production" });
    await check();
    expect(proposals()).toEqual([]);
  });

  test.each([
    {
      because: "a publication pins its text",
      next: { ...PUBLISHED, two: { version: "v4", text: "Be brief.", label: "production" } },
      open: 0,
    },
    { because: "its variant names its version instead", next: { one: { version: "v3", text: "Be kind." } }, open: 0 },
    {
      because: "a publication is about something else",
      next: { ...PUBLISHED, two: { version: "v9", text: "Be wise." } },
      open: 1,
    },
  ])("leaves $open open once $because", async ({ next, open }) => {
    const { add, check, publish, proposals } = await world();
    add("v4", "Be brief.", { label: "production" });
    await check();
    await publish(next);
    expect(proposals()).toHaveLength(open);
    await check();
    expect(proposals()).toHaveLength(open);
  });

  test("is not looked for where a version was pinned", async () => {
    const { add, check, asked } = await world({ one: { version: "v3", text: "Be kind." } });
    add("v4", "Be brief.", { label: "production" });
    expect(await check()).toMatchObject({ asked: 0 });
    expect(asked).toEqual([]);
  });

  test.each([
    { because: "the hub is down", hub: "arize", isDown: true },
    { because: "the hub is not configured any more", hub: "phoenix", isDown: false },
  ])("changes nothing while $because, and is counted", async ({ hub, isDown }) => {
    const { add, check, state, proposals, counted, served, types } = await world({ one: { ...PUBLISHED.one, hub } });
    add("v4", "Be brief.", { label: "production" });
    state.isDown = isDown;
    expect(await check()).toMatchObject({ failed: 1, proposed: 0 });
    expect([proposals(), served(), await types()]).toEqual([[], "Be kind.", ["policy.published"]]);
    expect(counted.filter((name) => name.startsWith("segue_prompt_label_failures_total"))).toHaveLength(1);
  });

  test("is asked for at most so often a check, and what is left out is counted", async () => {
    const { deps, counted, asked } = await world({ ...PUBLISHED, two: { ...PUBLISHED.one, label: "staging" } });
    expect(await checkPromptLabels({ ...deps, labelsMax: 1 })).toMatchObject({ asked: 1 });
    expect(asked).toEqual(["production"]);
    expect(counted).toContain("segue_prompt_labels_skipped_total");
  });

  const many = (hub: string, count: number): Readonly<Record<string, Pin>> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`${hub}-${i}`, { ...PUBLISHED.one, hub, label: `${hub}-${i}` }]),
    );

  test("is not asked for any more after three answers in a row that its hub did not give; the other hub is", async () => {
    const { deps, state, asked, counted } = await world({ ...many("arize", 10), ...many("phoenix", 4) });
    const phoenix = scriptedHub();
    for (let i = 0; i < 4; i += 1) phoenix.add("v3", "Be kind.", { label: `phoenix-${i}` });
    state.isDown = true;
    const check = await checkPromptLabels({ ...deps, hubs: { ...deps.hubs, phoenix: phoenix.hub } });
    expect(check).toMatchObject({ asked: 7, failed: 3, skipped: 7 });
    expect(asked).toEqual(["arize-0", "arize-1", "arize-2"]);
    expect(phoenix.asked).toHaveLength(4);
    expect(counted).toContain("segue_prompt_labels_skipped_total");
  });

  test("is asked for though others are gone: a hub that says so is there", async () => {
    const { check, add } = await world(many("arize", 6));
    add("v4", "Be brief.", { label: "arize-5" });
    expect(await check()).toMatchObject({ asked: 6, failed: 5, proposed: 1 });
  });

  test("is not asked for once the check took its time", async () => {
    const { deps, hub, asked } = await world(many("arize", 10));
    const slow: PromptHub = {
      resolve: (place) => {
        deps.clock.at += 50_000;
        return hub.resolve(place);
      },
    };
    const check = await checkPromptLabels({ ...deps, hubs: { arize: slow }, checkMs: 120_000 });
    expect([check.asked, check.skipped, asked.length]).toEqual([3, 7, 3]);
  });

  test("is reached some time, whatever is before it: checks begin anywhere", async () => {
    const { deps, asked } = await world(many("arize", 10));
    for (const start of [0, 7, 255]) {
      const random = { bytes: () => Uint8Array.of(0, 0, 0, start) };
      await checkPromptLabels({ ...deps, random, labelsMax: 4 });
    }
    const places = [0, 1, 2, 3, 7, 8, 9, 0, 5, 6, 7, 8];
    expect(asked).toEqual(places.map((place) => `arize-${place}`));
  });

  test("is not taken for another whose name reads alike", async () => {
    const alike = {
      one: { label: "x' of arize prompt 'y", prompt: "z" },
      two: { label: "x", prompt: "y' of arize prompt 'z" },
    };
    expect(hubPromptName({ hub: "arize", ...alike.one })).toBe(hubPromptName({ hub: "arize", ...alike.two }));
    const { deps, controlPlane, asked } = await world();
    const state = controlPlane.state();
    const chat = state.policies.chat!;
    const variants = Object.fromEntries(
      Object.entries(alike).map(([name, place]) => [
        name,
        { ...chat.policy.variants.one!, promptSource: { hub: "arize" as const, version: "v3", ...place } },
      ]),
    );
    const followed = { ...state, policies: { chat: { ...chat, policy: { ...chat.policy, variants } } } };
    await checkPromptLabels({ ...deps, controlPlane: { ...controlPlane, state: () => followed } });
    expect(asked).toEqual(Object.values(alike).map(({ label }) => label));
  });
});

describe("a webhook about prompts", () => {
  test.each(["prompt.version.labeled", "prompt.version.created", "prompt.version.unlabeled", "PROMPT.VERSION.LABELED"])(
    "%s is a doorbell: the label is read of the hub, and what it says is proposed",
    async (event) => {
      const { add, ring, proposals, served } = await world();
      add("v4", "Be brief.", { label: "production" });
      const claims = { prompt_id: "p1", label: "production", version_id: "v99" };
      const receipt = ring({ event, data: claims });
      expect(receipt).toMatchObject({ accepted: true, duplicate: false });
      expect(proposals()).toEqual([]);
      await receipt.work;
      expect(proposals()).toMatchObject([{ version: "v4" }]);
      expect(served()).toBe("Be kind.");
    },
  );

  test("that is forged is refused, and nothing is read", async () => {
    const { add, ring, asked, proposals, counted } = await world();
    add("v4", "Be brief.", { label: "production" });
    expect(() => ring(labeled, { key: "whsec_other" })).toThrow(expect.objectContaining({ code: "unauthenticated" }));
    expect([asked, proposals()]).toEqual([[], []]);
    expect(counted).toContain("segue_webhook_refused_total arize-prompts");
  });

  test.each([
    { because: "it is about another prompt", body: { ...labeled, data: { prompt_id: "p2" } } },
    { because: "it is about something else", body: { event: "online_task.run.failed" } },
    { because: "it is not JSON", body: "hello" },
  ])("reads nothing when $because", async ({ body }) => {
    const { ring, asked } = await world();
    await ring(body).work;
    expect(asked).toEqual([]);
  });

  test("that does not say which prompt has all labels read", async () => {
    const { ring, asked } = await world();
    await ring({ event: "prompt.version.labeled" }).work;
    expect(asked).toEqual(["production"]);
  });

  test("that comes a thousand times has the label read no more than twice", async () => {
    const { add, ring, asked, types } = await world();
    add("v4", "Be brief.", { label: "production" });
    await Promise.all(
      Array.from({ length: 500 }, (_, i) => [ring(labeled, { id: "same" }), ring(labeled, { id: `${i}` })])
        .flat()
        .map(({ work }) => work),
    );
    expect(asked.length).toBeLessThanOrEqual(2);
    expect(await types()).toEqual(["policy.published", "prompt.proposed"]);
  });

  test("is tried again when it is delivered again after the hub gave no answer", async () => {
    const { add, ring, state, proposals } = await world();
    add("v4", "Be brief.", { label: "production" });
    state.isDown = true;
    await ring(labeled, { id: "same" }).work;
    state.isDown = false;
    expect(ring(labeled, { id: "same" })).toMatchObject({ duplicate: false });
    await ring(labeled, { id: "another" }).work;
    expect(proposals()).toHaveLength(1);
    expect(ring(labeled, { id: "same" })).toMatchObject({ duplicate: true });
  });

  test("is unknown where Arize's webhooks are not configured", async () => {
    const { deps } = await world();
    for (const source of [null, configureSource(arize, { apiKey: "k" })])
      expect(() => receivePromptWebhook({ ...deps, source })({ rawBody: new Uint8Array(), headers: {} })).toThrow(
        expect.objectContaining({ code: "not_found", message: expect.stringContaining("SEGUE_ARIZE_WEBHOOK_SECRET") }),
      );
  });
});
