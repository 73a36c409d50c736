import { describe, expect, test } from "vitest";
import { lint } from "../../src/core/lint.ts";
import { emptyState } from "../../src/core/state.ts";
import { policySource } from "../../src/stores/policy-files.ts";

const faultsOf = (privacy: string) =>
  lint(
    [
      policySource(
        "chat.yaml",
        `policy: chat
attributes:
  account: { type: string }
variants:
  one: { provider: openai, model: gpt-4o }
default: one
privacy:
  ${privacy}
`,
      ),
    ],
    {},
    emptyState,
  );

describe("what a policy file says of privacy", () => {
  test.each([
    "attributes: { account: drop }",
    "patterns: [{ name: customer, pattern: 'ACME-[0-9]{4,8}' }]",
    "content: { high: redacted }",
    "identifiers: { user: keep }",
    "otherAttributes: drop",
  ])("may be %s", (privacy) => {
    expect(faultsOf(privacy)).toEqual([]);
  });

  test.each([
    { privacy: "attributes: { acount: drop }", code: "unknown-attribute", help: "account" },
    { privacy: "attributes: { account: hide }", code: "unknown-value", help: "drop" },
    { privacy: "content: { high: 'on' }", code: "unknown-value", help: "off" },
    { privacy: "patterns: [{ name: customer, pattern: '(a+)+b' }]", code: "invalid-value", help: "has no end" },
    { privacy: "identifiers: { sesion: keep }", code: "unknown-key", help: "session" },
  ])("is refused in its place: $privacy", ({ privacy, code, help }) => {
    const [fault] = faultsOf(privacy);
    expect(fault).toMatchObject({ severity: "error", code, line: 8 });
    expect(`${fault?.message} ${fault?.fix}`).toContain(help);
  });
});
