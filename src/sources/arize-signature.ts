import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { ArizeSettings } from "./arize.ts";
import type { Delivery } from "../core/signal-source.ts";

/** Why a delivery is not believed, or null. The answer never tells which of several signatures came close. */
export function refuseArizeDelivery(delivery: Delivery, { webhook }: ArizeSettings): string | null {
  if (webhook === undefined) return "no webhook secret is configured";
  if (webhook.auth === "bearer") {
    const given = delivery.headers.authorization;
    if (given === undefined) return "the Authorization header is missing";
    return isSame(utf8ToBytes(given), utf8ToBytes(webhook.secret)) ? null : "the Authorization header is not ours";
  }
  const { "x-arize-webhook-timestamp": timestamp, "x-arize-webhook-signature": signature } = delivery.headers;
  if (timestamp === undefined || signature === undefined)
    return "X-Arize-Webhook-Timestamp or X-Arize-Webhook-Signature is missing";
  if (!/^\d{1,12}$/.test(timestamp)) return "X-Arize-Webhook-Timestamp is not a number of seconds";
  if (Math.abs(delivery.at / 1000 - Number(timestamp)) > webhook.toleranceSeconds)
    return `X-Arize-Webhook-Timestamp is more than ${webhook.toleranceSeconds} s from now`;
  const key = webhook.key === "whole" ? webhook.secret : webhook.secret.replace(/^whsec_/, "");
  const message = concatBytes(utf8ToBytes(`${timestamp}.`), delivery.rawBody);
  const wanted = utf8ToBytes(`v1=${bytesToHex(hmac(sha256, utf8ToBytes(key), message))}`);
  const given = signature.split(/[ ,]+/, 10);
  return given.some((one) => isSame(utf8ToBytes(one), wanted)) ? null : "no signature matches";
}

/**
 * Arize's own id, else the digest of the body and of when it was sent: the same alarm a week later is another delivery. A
 * bearer delivery tells no time, so there it is the minute of its arrival; to read once too often does no harm.
 */
export function arizeDeliveryId({ headers, rawBody, at }: Delivery): string {
  const id = headers["x-arize-webhook-id"];
  if (id !== undefined && id !== "" && id.length <= 200) return id;
  const sent = headers["x-arize-webhook-timestamp"] ?? `minute ${Math.floor(at / 60_000)}`;
  return bytesToHex(sha256(concatBytes(utf8ToBytes(`${sent}.`), rawBody)));
}

/** Compares digests and always all of them, so that the time taken tells nothing. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  const [left, right] = [sha256(a), sha256(b)];
  let difference = 0;
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
  return difference === 0;
}
