import { describe, expect, test } from "vitest";
import { actorOf, authenticator, requireScope } from "../../src/gateway/authenticate.ts";
import { apiKey, foldedControl, START } from "../fakes/gateway-world.ts";

const { key, text } = apiKey("servingkey", { expiresAt: START + 1000 });
function setUp() {
  const { controlPlane, commit } = foldedControl([{ type: "key.created", key }]);
  const clock = { at: START, now: () => clock.at };
  return { authenticate: authenticator({ controlPlane, clock }), commit, clock };
}

describe("an API key", () => {
  test("is found by its text", () => {
    const { authenticate } = setUp();
    for (let i = 0; i < 3; i++) expect(authenticate(`Bearer ${text}`)).toEqual(key);
    expect(authenticate(`bearer  ${text} `)).toEqual(key);
  });

  test.each([
    null,
    "",
    text,
    "Bearer",
    `Bearer ${text}x`,
    `Bearer ${text.slice(0, -1)}`,
    `Bearer ${text} ${text}`,
    "Bearer segue_constructor_aaaaaaaaaaaaaaaaaaaaaaaa",
  ])("is not %j", (header) => {
    expect(() => setUp().authenticate(header)).toThrow(
      expect.objectContaining({ code: "unauthenticated", reason: "invalid_api_key" }),
    );
  });

  test("is refused from the moment it expires, saying when that was, though it was used before", () => {
    const { authenticate, clock } = setUp();
    clock.at = START + 999;
    authenticate(`Bearer ${text}`);
    clock.at = START + 1000;
    expect(() => authenticate(`Bearer ${text}`)).toThrow(`expired on ${new Date(START + 1000).toISOString()}`);
  });

  test("is refused as soon as it is revoked, and works as soon as it is created", () => {
    const { authenticate, commit } = setUp();
    authenticate(`Bearer ${text}`);
    commit({ type: "key.revoked", id: key.id, reason: "lost" });
    expect(() => authenticate(`Bearer ${text}`)).toThrow("revoked");
    const other = apiKey("anotherkey");
    expect(() => authenticate(`Bearer ${other.text}`)).toThrow("unknown");
    commit({ type: "key.created", key: other.key });
    expect(authenticate(`Bearer ${other.text}`)).toEqual(other.key);
  });

  test("never shows its secret in a refusal", () => {
    const { authenticate, clock } = setUp();
    clock.at = START + 5000;
    for (const header of [text, `Bearer ${text}`, `Bearer ${text}x`])
      expect(() => authenticate(header)).not.toThrow("secretsecret");
  });

  test("that lacks a scope is refused by the scope's name", () => {
    expect(() => requireScope(key, "serve")).not.toThrow();
    expect(() => requireScope(key, "approve")).toThrow(
      expect.objectContaining({ code: "forbidden", message: expect.stringContaining("'approve'") }),
    );
  });

  test("acts as the person who holds it, or as itself when a machine does", () => {
    const person = apiKey("aliceskey1", { holder: { kind: "person", name: "alice" } }).key;
    expect(actorOf(person)).toEqual({ kind: "user", id: "alice", keyId: "aliceskey1" });
    expect(actorOf(key)).toEqual({ kind: "key", id: "servingkey" });
  });
});
