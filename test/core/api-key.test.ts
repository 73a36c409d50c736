import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isKeyText, keyIdOf, keyText } from "../../src/core/api-key.ts";
import { apiKey } from "../fakes/gateway-world.ts";

const id = fc.stringMatching(/^[a-z0-9]{8,32}$/);
const secret = fc.stringMatching(/^[A-Za-z0-9_-]{20,64}$/);

describe("a key's text", () => {
  test("carries its id, whatever the secret", () =>
    fc.assert(
      fc.property(id, secret, (id, secret) => {
        expect(keyIdOf(keyText(id, secret))).toBe(id);
      }),
    ));

  test.each([
    "",
    "sk-abc",
    "segue_short_aaaaaaaaaaaaaaaaaaaaaaaa",
    "segue_servingkey_tooshort",
    "segue_UPPERCASE_aaaaaaaaaaaaaaaaaaaaaaaa",
    " segue_servingkey_aaaaaaaaaaaaaaaaaaaaaaaa",
  ])("is not %j", (text) => expect(keyIdOf(text)).toBeNull());

  test("is a key only as a whole", () => {
    const { key, text } = apiKey("servingkey");
    expect(isKeyText(key, text)).toBe(true);
    for (let at = 0; at < text.length; at++)
      expect(isKeyText(key, `${text.slice(0, at)}~${text.slice(at + 1)}`)).toBe(false);
  });

  test("is nowhere in what is stored of it", () => {
    const { key } = apiKey("servingkey");
    expect(JSON.stringify(key)).not.toContain("secretsecret");
  });
});
