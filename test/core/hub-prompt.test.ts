import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HubId, HubPrompt, pinnedRef } from "../../src/core/hub-prompt.ts";
import { PromptRef } from "../../src/core/policy.ts";
import { globalId } from "../fakes/vendor/global-id.ts";

describe("the reference of a pinned version", () => {
  test.each([
    { name: "support", version: globalId("PromptVersion", 3), ref: "hub-phoenix-support@3" },
    { name: "Support Agent", version: "v3", ref: "hub-phoenix-support-agent@v3" },
    { name: "支援", version: "v3", ref: "hub-phoenix-prompt@v3" },
  ])("of version $version of '$name' is $ref", ({ name, version, ref }) =>
    expect(pinnedRef("phoenix", { name, version })).toBe(ref),
  );

  test("is one that a policy may hold, and differs for ids that are spelled alike", () => {
    fc.assert(
      fc.property(fc.constantFrom(...HubId.options), fc.string(), fc.string({ minLength: 1 }), (hub, name, version) => {
        const ref = pinnedRef(hub, { name, version });
        expect(PromptRef.safeParse(ref).success).toBe(true);
        const other = `${version}!`;
        expect(pinnedRef(hub, { name, version: other })).not.toBe(ref);
      }),
    );
    const [upper, lower] = ["aB3d", "ab3d"].map((tail) => globalId("PromptVersion", 1, tail));
    expect(pinnedRef("arize", { name: "x", version: upper! })).not.toBe(
      pinnedRef("arize", { name: "x", version: lower! }),
    );
  });
});

describe("a prompt of a hub in a policy file", () => {
  test.each([
    { prompt: { hub: "arize", prompt: "support", label: "production" }, is: true },
    { prompt: { hub: "phoenix", prompt: "support", version: "UHJvbXB0VmVyc2lvbjoz" }, is: true },
    { prompt: { hub: "phoenix", prompt: "support" }, is: false },
    { prompt: { hub: "phoenix", prompt: "support", version: "3", label: "x" }, is: false },
    { prompt: { hub: "elsewhere", prompt: "support", version: "3" }, is: false },
    { prompt: { hub: "phoenix", prompt: "..", label: "x" }, is: false },
    { prompt: { hub: "phoenix", prompt: "support", label: "." }, is: false },
    { prompt: { hub: "phoenix", prompt: "a\nb", label: "x" }, is: false },
    { prompt: { hub: "phoenix", prompt: "a\u001b[31m", label: "x" }, is: false },
    { prompt: { hub: "phoenix", prompt: "a\u202eb", label: "x" }, is: false },
    { prompt: { hub: "arize", prompt: "Unterstützung 支援 😀", label: "Q3 (final)" }, is: true },
    { prompt: { hub: "phoenix", prompt: "support", version: "3", promptId: "x" }, is: false },
  ])("$prompt is one: $is", ({ prompt, is }) => expect(HubPrompt.safeParse(prompt).success).toBe(is));
});
