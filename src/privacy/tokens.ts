import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

/** Stands for a value: the same for the same kind and value under one key, and nothing can be told from it without the key. */
export type Token = (kind: string, value: string) => string;

const KEY = 32;
/** 128 bits: two of 10^12 values share a token with a chance of 1 in 10^15. */
const TOKEN = 16;
const KEY_ID = 3;

/**
 * Tokens of one tenant: `tok_<key id>_<HMAC-SHA-256 of kind and value, 16 bytes as hex>` (RFC 2104). The tenant's key is
 * derived from the installation's secret (HKDF, RFC 5869), so tokens of two tenants cannot be compared. The key id (6 hex
 * digits) changes with the key: after a rotation, tokens of the old key are told from those of the new one by their beginning.
 * @param tenant the policy's id
 */
export function tokens(secret: string, tenant: string): Token {
  const salt = utf8ToBytes("segue tokens 1");
  const derived = hkdf(sha256, utf8ToBytes(secret), salt, utf8ToBytes(tenant), KEY + KEY_ID);
  const keyed = hmac.create(sha256, derived.subarray(0, KEY));
  const start = `tok_${bytesToHex(derived.subarray(KEY))}_`;
  return (kind, value) => {
    const kindBytes = utf8ToBytes(kind);
    // A length in front, so that no kind and value run into another pair. Names have at most 63 characters.
    const message = concatBytes(Uint8Array.of(kindBytes.length), kindBytes, utf8ToBytes(value));
    return start + bytesToHex(keyed.clone().update(message).digest().subarray(0, TOKEN));
  };
}
