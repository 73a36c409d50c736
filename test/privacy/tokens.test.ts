import { hkdfSync, createHmac } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tokens } from "../../src/privacy/tokens.ts";

const word = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" });

describe("a token", () => {
  test("is HMAC-SHA-256 under the tenant's key by HKDF, as other implementations compute it", () => {
    const derived = Buffer.from(hkdfSync("sha256", "secret", "segue tokens 1", "support-chat", 35));
    const mac = createHmac("sha256", derived.subarray(0, 32)).update("\x04useru-7").digest("hex").slice(0, 32);
    expect(tokens("secret", "support-chat")("user", "u-7")).toBe(`tok_${derived.subarray(32).toString("hex")}_${mac}`);
  });

  test("is the same for the same kind and value, and differs with the tenant, the secret, the kind and the value", () => {
    fc.assert(
      fc.property(word, word, word, word, (secret, tenant, kind, value) => {
        const token = tokens(secret, tenant)(kind, value);
        expect(tokens(secret, tenant)(kind, value)).toBe(token);
        expect(tokens(`${secret}x`, tenant)(kind, value)).not.toBe(token);
        expect(tokens(secret, `${tenant}x`)(kind, value)).not.toBe(token);
        expect(tokens(secret, tenant)(`${kind}x`, value)).not.toBe(token);
        expect(tokens(secret, tenant)(kind, `${value}x`)).not.toBe(token);
        expect(tokens(secret, tenant)(kind + value, "")).not.toBe(token);
        expect(token).toMatch(/^tok_[0-9a-f]{6}_[0-9a-f]{32}$/);
      }),
      { numRuns: 50 },
    );
  });

  test("says by its beginning which key it was made with", () => {
    const keyId = (secret: string, user: string) => tokens(secret, "p")("user", user).slice(0, 11);
    expect(keyId("old", "a")).toBe(keyId("old", "b"));
    expect(keyId("new", "a")).not.toBe(keyId("old", "a"));
  });
});
