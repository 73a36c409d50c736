import { describe, expect, test } from "vitest";
import { keyIdOf } from "../../src/core/api-key.ts";
import { sha256 } from "../../src/core/digest.ts";
import { createKey, revokeKey } from "../../src/loop/manage-keys.ts";
import { alice, controlPlaneWith, NOW, stateOf } from "./loop-fixture.ts";

const start = stateOf();
const random = { bytes: (count: number) => new Uint8Array(count).fill(9) };
const wish = {
  holder: { kind: "machine", name: "shop" },
  scopes: ["serve"],
  attributes: {},
  policies: [],
  expiresAt: null,
  actor: alice,
} as const;
const world = async () => ({ ...(await controlPlaneWith(start)), random });

describe("creating a key", () => {
  test("returns a text that is stored nowhere, only its digest", async () => {
    const deps = await world();
    const { text, key } = await createKey(deps, { ...wish, policies: ["chat"] });
    expect(keyIdOf(text)).toBe(key.id);
    expect(key).toMatchObject({ hash: sha256(text), policies: ["chat"], createdAt: NOW });
    expect(deps.controlPlane.state().keys).toEqual({ [key.id]: key });
    expect(JSON.stringify(await deps.ledger.read(0, 100))).not.toContain(text);
  });

  test.each(["search", "toString", "constructor", "__proto__"])(
    "for the policy %s, which there is not, is refused, and nothing is written",
    async (policy) => {
      const deps = await world();
      await expect(createKey(deps, { ...wish, policies: ["chat", policy] })).rejects.toMatchObject({
        code: "not_found",
        param: "policies",
        message: expect.stringContaining(`'${policy}'; published: chat`),
      });
      expect(deps.controlPlane.state()).toBe(start);
    },
  );

  test("that lets a machine approve is refused", async () => {
    const deps = await world();
    await expect(createKey(deps, { ...wish, scopes: ["serve", "approve"] })).rejects.toMatchObject({
      reason: "machine_approver",
    });
    expect(deps.controlPlane.state()).toBe(start);
  });
});

describe("revoking a key", () => {
  test("ends it", async () => {
    const deps = await world();
    const { key } = await createKey(deps, wish);
    await revokeKey(deps, { id: key.id, reason: "lost", actor: alice });
    expect(deps.controlPlane.state().keys).toEqual({});
  });

  test.each(["nobodyskey", "toString", "__proto__"])("that there is not is refused: %s", async (id) => {
    const deps = await world();
    await expect(revokeKey(deps, { id, reason: "lost", actor: alice })).rejects.toMatchObject({
      reason: "key_not_found",
    });
    expect(deps.controlPlane.state()).toBe(start);
  });
});
