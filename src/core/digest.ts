import { sha256 as sha256Bytes } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** SHA-256 of UTF-8 text as 64 hex digits. */
export type Sha256 = (text: string) => string;

export const sha256: Sha256 = (text) => bytesToHex(sha256Bytes(utf8ToBytes(text)));

/**
 * JSON with object keys sorted and `undefined` members left out, so that equal values have equal
 * text (the idea of RFC 8785; numbers and strings as `JSON.stringify` prints them).
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** The digest that names a value: two values share it only if their canonical JSON is the same. */
export const digestOf = (value: unknown): string => sha256(canonicalJson(value));
