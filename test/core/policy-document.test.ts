import { describe, expect, test } from "vitest";
import { lint } from "../../src/core/lint.ts";
import { policySource } from "../../src/stores/policy-files.ts";

const policyWith = (prompt: string): string => `policy: chat
variants:
  one: { provider: openai, model: gpt, prompt: ${prompt} }
default: one
`;
const faultsOf = (prompt: string) =>
  lint([policySource("a.yaml", policyWith(prompt))], {}, null).map(
    ({ line, column, code, message, fix }) => `${line}:${column} ${code} ${message} ${fix}`,
  );

describe("the prompt of a variant in a policy file", () => {
  test("may be one of a hub, which is kept apart until it is pinned", () => {
    const { document, faults } = policySource(
      "a.yaml",
      policyWith("{ hub: arize, prompt: support, label: production }"),
    );
    expect(faults).toEqual([]);
    expect(document?.variants.one).toMatchObject({
      promptSource: { hub: "arize", prompt: "support", label: "production" },
      model: "gpt",
    });
    expect(document?.variants.one).not.toHaveProperty("prompt");
  });

  test.each([
    { prompt: "Support", fault: /^3:48 bad-name .*write a prompt as name@version/ },
    { prompt: "5", fault: /^3:48 wrong-type variants\.one\.prompt is 5 Write a string or an object there\./ },
    { prompt: "{ hub: arise, prompt: x, label: y }", fault: /^3:55 unknown-value .*arise.*'arize'/ },
    { prompt: "{ hub: arize, prompt: x, tag: y }", fault: /unknown-key unknown key "tag".*version, label/ },
    { prompt: "{ hub: arize, prompt: x }", fault: /^3:40 invalid-value .*either a 'version' or a 'label'/ },
    { prompt: "{ hub: arize, label: x }", fault: /missing-key variants\.one\.prompt has no 'prompt'/ },
    { prompt: "support@v1", fault: /^3:48 unknown-prompt/ },
    {
      prompt: "{ hub: arize, prompt: support, label: production }",
      fault: /^3:40 prompt-hub variant 'one' uses label 'production' of arize prompt 'support', which was not read/,
    },
  ])("$prompt is a fault at its place", ({ prompt, fault }) => expect(faultsOf(prompt).join("\n")).toMatch(fault));
});
