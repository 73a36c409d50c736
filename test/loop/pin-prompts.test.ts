import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/core/digest.ts";
import type { HubPrompt } from "../../src/core/hub-prompt.ts";
import { lint } from "../../src/core/lint.ts";
import { planText } from "../../src/core/plan-text.ts";
import { planPolicies } from "../../src/core/plan.ts";
import { promptOf, promptsOf } from "../../src/core/policy-source.ts";
import { publicationEvents } from "../../src/core/publication.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";
import { pinPrompts } from "../../src/loop/pin-prompts.ts";
import { policySource } from "../../src/stores/policy-files.ts";
import { scriptedHub } from "../prompt-hubs/scripted-hub.ts";
import { after } from "./loop-fixture.ts";

const PRODUCTION = "{ hub: arize, prompt: support, label: production }";
const versioned = (version: string): string => `{ hub: arize, prompt: support, version: ${version} }`;
const variantLine = (name: string, prompt: string): string =>
  `  ${name}: { provider: up, model: m, prompt: ${prompt} }\n`;
const policyText = (variants: Readonly<Record<string, string>>, policy = "chat"): string =>
  `policy: ${policy}\nattributes:\n  region: { type: string, trust: key }\nvariants:\n${Object.entries(variants)
    .map(([name, prompt]) => variantLine(name, prompt))
    .join("")}default: ${Object.keys(variants)[0]}\n`;

function world() {
  const scripted = scriptedHub();
  scripted.add("v3", "Be kind in {{region}}.", { label: "production" });
  let state: ControlState = emptyState;
  const pin = (texts: readonly string[], { offline = false, alone = false } = {}) =>
    pinPrompts(
      { hubs: offline ? null : { arize: scripted.hub }, state: alone ? null : state },
      { sources: texts.map((text, i) => policySource(`${i}.yaml`, text)), prompts: {} },
    );
  const check = async (texts: readonly string[], options: { offline?: boolean } = {}) => {
    const pinned = await pin(texts, options);
    const faults = lint(pinned.sources, pinned.prompts, state);
    return {
      pinned,
      faults: faults.map(({ severity, code, message }) => `${severity} ${code} ${message}`),
      fixes: faults.map(({ fix }) => fix).join("\n"),
      errors: faults.filter(({ severity }) => severity === "error").length,
    };
  };
  return {
    ...scripted,
    pin,
    check,
    published: () => state,
    publish: async (...texts: readonly string[]) => {
      const { pinned, errors, faults } = await check(texts);
      if (errors > 0) throw new Error(faults.join("\n"));
      const publications = pinned.sources.map(({ document }) => ({
        policy: document!,
        prompts: promptsOf(document!, pinned.prompts),
      }));
      state = after(state, publicationEvents(state, publications, 0));
    },
    plan: async (...texts: readonly string[]) => {
      const pinned = await pin(texts);
      return planPolicies(pinned.sources, pinned.prompts, state);
    },
  };
}

describe("a prompt of a hub", () => {
  test("is published as a pinned prompt with its text, its digest and where it is from", async () => {
    const { publish, published } = world();
    await publish(policyText({ one: PRODUCTION }));
    const text = "Be kind in {{region}}.";
    expect(published().policies.chat).toMatchObject({
      policy: {
        variants: {
          one: {
            prompt: "hub-arize-support@v3",
            promptSource: { hub: "arize", prompt: "support", label: "production", version: "v3", promptId: "p1" },
          },
        },
      },
      prompts: { "hub-arize-support@v3": { text, digest: sha256(text) } },
    });
    expect(published().prompts).toEqual({ "hub-arize-support@v3": sha256(text) });
  });

  test("is asked for once, however many variants and policies name it", async () => {
    const { pin, asked } = world();
    await pin([policyText({ one: PRODUCTION, two: PRODUCTION }), policyText({ one: PRODUCTION }, "other")]);
    expect(asked).toEqual(["production"]);
  });

  test("that uses what the policy does not declare is a fault, as in a file", async () => {
    const { add, check } = world();
    add("v4", "Be kind, {{name}}. {{#each}}", { label: "production" });
    const { faults } = await check([policyText({ one: PRODUCTION })]);
    expect(faults).toContainEqual(expect.stringMatching(/^error prompt-template .*malformed/));
    add("v4", "Be kind, {{name}}.");
    expect((await check([policyText({ one: PRODUCTION })])).faults).toEqual([
      expect.stringMatching(/^error prompt-variable .*\{\{name\}\}, which policy 'chat' does not declare/),
    ]);
  });

  test("whose version came back with another text is refused: a published version never changes", async () => {
    const { publish, add, check } = world();
    await publish(policyText({ one: PRODUCTION }));
    add("v3", "Be rude.", { label: "staging" });
    const variants = { two: "{ hub: arize, prompt: support, label: staging }", one: versioned("v3") };
    expect((await check([policyText(variants, "other")])).faults).toContainEqual(
      expect.stringMatching(/^error prompt-changed the prompt 'hub-arize-support@v3'/),
    );
  });

  test("whose version has another text at the second question is refused, and the second variant has neither", async () => {
    const { hub } = world();
    let asked = 0;
    const fickle = {
      resolve: async (place: HubPrompt) => ({ ...(await hub.resolve(place)), text: `Text ${(asked += 1)}.` }),
    };
    const sources = [policySource("a.yaml", policyText({ one: PRODUCTION, two: versioned("v3") }))];
    const pinned = await pinPrompts({ hubs: { arize: fickle }, state: null }, { sources, prompts: {} });
    expect(asked).toBe(2);
    expect(pinned.sources[0]?.document?.variants.two?.prompt).toBeUndefined();
    expect(pinned.sources[0]?.promptFindings?.two).toMatchObject([{ severity: "error", code: "prompt-changed" }]);
  });

  test("whose name a file has is refused, and neither text passes for the other", async () => {
    const { hub } = world();
    const prompts = { "hub-arize-support@v3": { file: "prompts/hub-arize-support/v3.md", text: "Be rude." } };
    const sources = [policySource("a.yaml", policyText({ one: PRODUCTION }))];
    const pinned = await pinPrompts({ hubs: { arize: hub }, state: null }, { sources, prompts });
    expect(lint(pinned.sources, pinned.prompts, null)).toMatchObject([
      { severity: "error", code: "prompt-name", message: expect.stringContaining("prompts/hub-arize-support/v3.md") },
    ]);
  });

  test.each([
    { given: { model: "gpt-x" }, warns: /model "gpt-x"/ },
    { given: { parameters: { temperature: 0.2 } }, warns: /temperature 0.2/ },
    { given: { model: "m" }, warns: null },
  ])("made for $given warns of $warns, for only its text is taken", async ({ given, warns }) => {
    const { add, check } = world();
    add("v3", "Be kind.", given);
    const { faults, errors } = await check([policyText({ one: PRODUCTION })]);
    expect(errors).toBe(0);
    expect(faults.filter((fault) => fault.includes("prompt-settings"))).toEqual(
      warns === null ? [] : [expect.stringMatching(warns)],
    );
  });
});

describe("a text that another policy says is a hub's", () => {
  /** Whoever may publish policy 'chat' says that the hub's version has a text of their own. */
  const forged = async (text = "Refunds are free.") => {
    const opened = world();
    await opened.publish(policyText({ one: versioned("v3") }));
    const { chat } = opened.published().policies;
    const policy = { ...chat!.policy, policy: "aforger" };
    const publication = { policy, prompts: { "hub-arize-support@v3": promptOf(text) } };
    const state = after(emptyState, publicationEvents(emptyState, [publication], 0));
    const check = async (texts: readonly string[]) => {
      const sources = texts.map((each, i) => policySource(`${i}.yaml`, each));
      const pinned = await pinPrompts({ hubs: { arize: opened.hub }, state }, { sources, prompts: {} });
      return { pinned, faults: lint(pinned.sources, pinned.prompts, state) };
    };
    return { ...opened, check };
  };
  const bank = policyText({ one: versioned("v3") }, "bank");

  test("is not served for it: the hub is asked, and that the texts differ is an error that names the policy", async () => {
    const { check } = await forged();
    const { pinned, faults } = await check([bank]);
    expect(faults.filter(({ severity }) => severity === "error")).toMatchObject([
      { code: "prompt-changed", file: "0.yaml", message: expect.stringContaining("by policy 'aforger'") },
    ]);
    expect(JSON.stringify(pinned)).not.toContain("Refunds are free.");
  });

  test("is not served for it either when both are published together, whichever is first", async () => {
    const { check } = await forged();
    const forger = policyText({ one: versioned("v3") }, "aforger");
    for (const texts of [
      [forger, bank],
      [bank, forger],
    ]) {
      const { pinned, faults } = await check(texts);
      const document = pinned.sources.find(({ document: found }) => found?.policy === "bank")?.document;
      expect(document?.variants.one?.prompt).toBeUndefined();
      expect(faults.filter(({ severity }) => severity === "error")).toMatchObject([{ code: "prompt-changed" }]);
    }
  });

  test("is no hindrance where the hub says the same", async () => {
    const { check, asked } = await forged("Be kind in {{region}}.");
    asked.length = 0;
    const { pinned, faults } = await check([bank]);
    expect(faults.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(pinned.sources[0]?.document?.variants.one?.prompt).toBe("hub-arize-support@v3");
    expect(asked).toEqual(["v3"]);
  });
});

test("two prompts whose names read alike are both asked for", async () => {
  const { pin, asked } = world();
  const prompts = [
    `{ hub: arize, prompt: z, label: "x' of arize prompt 'y" }`,
    `{ hub: arize, prompt: "y' of arize prompt 'z", label: x }`,
  ];
  await pin([policyText({ one: prompts[0]!, two: prompts[1]! })]);
  expect(asked).toEqual(["x' of arize prompt 'y", "x"]);
});

describe("a label that moved", () => {
  const moved = async () => {
    const opened = world();
    await opened.publish(policyText({ one: PRODUCTION }));
    opened.add("v4", "Be brief.", { label: "production" });
    return opened;
  };

  test("does not change the variant that it was published with, and says where it is", async () => {
    const { check, plan, asked } = await moved();
    const { faults, fixes, errors } = await check([policyText({ one: PRODUCTION })]);
    expect(errors).toBe(0);
    expect(faults).toEqual([
      "warning prompt-moved label 'production' of arize prompt 'support' moved from version 'v3' to 'v4'; the published variant 'one' stays what it is",
    ]);
    expect(fixes).toContain("add a variant with version 'v4'");
    expect((await plan(policyText({ one: PRODUCTION }))).changes.map(({ kind }) => kind)).toEqual(["none"]);
    expect(asked.length).toBeGreaterThan(1);
  });

  test("to a version of the same text says nothing", async () => {
    const { add, check } = await moved();
    add("v5", "Be kind in {{region}}.", { label: "production" });
    expect((await check([policyText({ one: PRODUCTION })])).faults).toEqual([]);
  });

  test("is what a new variant takes, and the plan says from where to where it moved", async () => {
    const { plan, publish, published } = await moved();
    const next = policyText({ one: versioned("v3"), two: PRODUCTION });
    const text = planText(await plan(next));
    expect(text).toContain("~ prompts: label 'production' of arize prompt 'support' moved from v3 to v4");
    expect(text).toContain("~ prompts: hub-arize-support@v4: added");
    await publish(next);
    expect(published().policies.chat?.policy.variants).toMatchObject({
      one: { prompt: "hub-arize-support@v3", promptSource: { version: "v3" } },
      two: { prompt: "hub-arize-support@v4", promptSource: { version: "v4", label: "production" } },
    });
    expect(published().policies.chat?.policy.variants.one?.promptSource).not.toHaveProperty("label");
  });

  test.each([
    { because: "the label is gone", label: (labels: Map<string, string>) => labels.delete("production") },
    {
      because: "it is on a version that is not there",
      label: (labels: Map<string, string>) => labels.set("production", "v9"),
    },
  ])("leaves the published variant and other changes alone when $because, and warns", async ({ label }) => {
    const { check, labels } = await moved();
    label(labels);
    const { faults, errors, fixes } = await check([policyText({ one: PRODUCTION })]);
    expect(errors).toBe(0);
    expect(faults).toEqual([expect.stringMatching(/^warning prompt-moved .*can no longer be taken: It has none/)]);
    expect(fixes).toContain("name version 'v3'");
  });

  test("cannot be put under the published variant by its version either", async () => {
    const { check } = await moved();
    const { faults } = await check([policyText({ one: versioned("v4") })]);
    expect(faults).toEqual([expect.stringMatching(/^error variant-changed/)]);
  });
});

describe("without the hub", () => {
  const down = async () => {
    const opened = world();
    await opened.publish(policyText({ one: PRODUCTION }));
    opened.state.isDown = true;
    opened.asked.length = 0;
    return opened;
  };

  test("a label is an error that says why, and how to keep what is published", async () => {
    const { check } = await down();
    const { faults, fixes } = await check([policyText({ one: PRODUCTION })]);
    expect(faults).toEqual([
      expect.stringMatching(/^error prompt-hub .*production.*could not be taken: It is down. Wait./),
    ]);
    expect(fixes).toContain("keep version 'v3', as published, with --offline");
  });

  test("a label that is published is kept when it is not asked for, and the warning says so", async () => {
    const { check, asked, published } = await down();
    const { faults, pinned } = await check([policyText({ one: PRODUCTION })], { offline: true });
    expect(faults).toEqual([
      expect.stringMatching(/^warning prompt-hub variant 'one' keeps version 'v3' as published/),
    ]);
    expect(pinned.sources[0]?.document).toEqual(published().policies.chat?.policy);
    expect(asked).toEqual([]);
  });

  test.each([
    { prompt: "{ hub: arize, prompt: support, label: staging }", because: "another label" },
    { prompt: "{ hub: arize, prompt: sales, label: production }", because: "another prompt" },
    { prompt: "{ hub: phoenix, prompt: support, label: production }", because: "another hub" },
  ])("$because is an error even offline: nothing of it is published", async ({ prompt }) => {
    const { check } = await down();
    const { faults } = await check([policyText({ one: prompt })], { offline: true });
    expect(faults).toEqual([expect.stringMatching(/^error prompt-hub .*nothing of it is published/)]);
  });

  test("a version that the policy has already is taken from there, and nobody is asked", async () => {
    const { check, asked } = await down();
    const { errors, pinned } = await check([policyText({ one: versioned("v3"), two: versioned("v3") })]);
    expect(errors).toBe(0);
    expect(pinned.sources[0]?.document?.variants.two?.prompt).toBe("hub-arize-support@v3");
    expect(asked).toEqual([]);
  });

  test.each([{ offline: false }, { offline: true }])(
    "a version that another policy has is not taken from it ($offline)",
    async ({ offline }) => {
      const { check } = await down();
      const texts = [policyText({ one: versioned("v3") }), policyText({ new: versioned("v3") }, "other")];
      const { faults } = await check(texts, { offline });
      expect(faults).toEqual([expect.stringMatching(/^error prompt-hub variant 'new' uses version 'v3'/)]);
    },
  );

  test("policies that are judged alone leave the prompt unread, as a warning", async () => {
    const { pin } = await down();
    const { sources, prompts } = await pin([policyText({ one: PRODUCTION })], { offline: true, alone: true });
    expect(lint(sources, prompts, null)).toMatchObject([{ severity: "warning", code: "prompt-hub", line: 5 }]);
  });

  test("what nobody pinned can be neither planned nor published", async () => {
    const { pin } = await down();
    const { sources, prompts } = await pin([policyText({ one: PRODUCTION })], { offline: true, alone: true });
    expect(() => promptsOf(sources[0]!.document!, prompts)).toThrow(/nobody read.*segue apply/);
  });

  test("a hub that is not configured says what to set", async () => {
    const { check } = world();
    const { faults } = await check([policyText({ one: "{ hub: phoenix, prompt: x, label: y }" })]);
    expect(faults).toEqual([expect.stringContaining("set SEGUE_PHOENIX_URL")]);
  });
});
