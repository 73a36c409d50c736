import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** What feedback needs to know of an answer, so that no lookup store is kept. */
export interface PredictionRef {
  readonly revision: number;
  /** The row's number: policy, segment and variant (see `ControlState.rows`). */
  readonly row: number;
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Epoch milliseconds at which it was decided. */
  readonly at: number;
}

const VERSION = 2;
const PAYLOAD = 1 + 6 + 4 + 16 + 8 + 6;
/** 80 bits: forging one id takes 2^79 feedback calls on average. */
const TAG = 10;
/** Texts of rows that are kept as bytes. */
const ROWS_MAX = 10_000;

export interface PredictionIds {
  /** @param rowKey `policy/segment/variant` of `ref.row`: it is bound to the id without being in it */
  readonly sign: (ref: PredictionRef, rowKey: string) => string;
  /**
   * Null when the text is not an id that one of the secrets signed for this row. Ledgers number their rows
   * each by itself, so an id of another ledger is refused unless it names the same row here.
   * @param rowKeyOf the key of a row's number here, undefined when there is no such row
   */
  readonly open: (id: string, rowKeyOf: (row: number) => string | undefined) => PredictionRef | null;
}

/**
 * Signs and opens prediction ids: version, revision (48 bit), row (32 bit), trace id, span id, time (48 bit),
 * then a truncated HMAC-SHA-256 (RFC 2104 §5) of these and the row's key, base64url. 68 characters.
 * @param secrets the first signs, all open, so that a secret can be rotated
 * @param sha256 the host's own where it has a faster one: an id is signed for every answer
 */
export function predictionIds(secrets: readonly [string, ...string[]], sha256: Sha256 = nobleSha256): PredictionIds {
  const macs = secrets.map((secret) => hmac(secret, sha256));
  const rows = new Map<string, Uint8Array>();
  const rowBytes = (rowKey: string): Uint8Array => {
    let bytes = rows.get(rowKey);
    if (bytes === undefined) {
      if (rows.size >= ROWS_MAX) rows.clear();
      rows.set(rowKey, (bytes = utf8ToBytes(rowKey)));
    }
    return bytes;
  };
  const tag = (mac: (typeof macs)[number], payload: Uint8Array, rowKey: string): Uint8Array =>
    mac(payload, rowBytes(rowKey)).subarray(0, TAG);
  return {
    sign: (ref, rowKey) => {
      const bytes = new Uint8Array(PAYLOAD + TAG);
      const view = new DataView(bytes.buffer);
      view.setUint8(0, VERSION);
      setUint48(view, 1, ref.revision);
      view.setUint32(7, ref.row);
      setHex(bytes, 11, ref.traceId);
      setHex(bytes, 27, ref.spanId);
      setUint48(view, 35, ref.at);
      const [signing] = macs;
      if (signing !== undefined) bytes.set(tag(signing, bytes.subarray(0, PAYLOAD), rowKey), PAYLOAD);
      return toBase64Url(bytes);
    },
    open: (id, rowKeyOf) => {
      const bytes = fromBase64Url(id);
      if (bytes === null || bytes.length !== PAYLOAD + TAG || bytes[0] !== VERSION) return null;
      const payload = bytes.subarray(0, PAYLOAD);
      const given = bytes.subarray(PAYLOAD);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const rowKey = rowKeyOf(view.getUint32(7));
      if (rowKey === undefined || !macs.some((mac) => isEqual(tag(mac, payload, rowKey), given))) return null;
      return {
        revision: getUint48(view, 1),
        row: view.getUint32(7),
        traceId: bytesToHex(bytes.subarray(11, 27)),
        spanId: bytesToHex(bytes.subarray(27, 35)),
        at: getUint48(view, 35),
      };
    },
  };
}

/** SHA-256 of the bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const BLOCK = 64;

/** HMAC-SHA-256 (RFC 2104 §2) over two parts. */
function hmac(secret: string, sha256: Sha256): (first: Uint8Array, second: Uint8Array) => Uint8Array {
  const text = utf8ToBytes(secret);
  const key = text.length > BLOCK ? sha256(text) : text;
  const inner = new Uint8Array(BLOCK).fill(0x36);
  const outer = new Uint8Array(BLOCK + 32).fill(0x5c, 0, BLOCK);
  key.forEach((byte, at) => {
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  });
  return (first, second) => {
    const message = new Uint8Array(BLOCK + first.length + second.length);
    message.set(inner);
    message.set(first, BLOCK);
    message.set(second, BLOCK + first.length);
    outer.set(sha256(message), BLOCK);
    return sha256(outer);
  };
}

/** Compares in a time that depends on the length only. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Hex digits that are known to be some. */
function setHex(bytes: Uint8Array, offset: number, hex: string): void {
  for (let at = 0; at < hex.length; at += 2)
    bytes[offset + (at >> 1)] = (digitOf(hex.charCodeAt(at)) << 4) | digitOf(hex.charCodeAt(at + 1));
}

const digitOf = (code: number): number => (code < 0x3a ? code - 0x30 : (code | 0x20) - 0x57);

function setUint48(view: DataView, offset: number, value: number): void {
  view.setUint16(offset, Math.floor(value / 2 ** 32));
  view.setUint32(offset + 2, value >>> 0);
}

const getUint48 = (view: DataView, offset: number): number =>
  view.getUint16(offset) * 2 ** 32 + view.getUint32(offset + 2);

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** RFC 4648 §5, without padding. By hand, because it is on every answer's way and `btoa` wants a string of the bytes first. */
function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    text += (DIGITS[a >> 2] ?? "") + (DIGITS[((a & 3) << 4) | ((b ?? 0) >> 4)] ?? "");
    if (b !== undefined) text += DIGITS[((b & 15) << 2) | ((c ?? 0) >> 6)] ?? "";
    if (c !== undefined) text += DIGITS[c & 63] ?? "";
  }
  return text;
}

function fromBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(text)) return null;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
      character.charCodeAt(0),
    );
    // Several texts decode to the same bytes when the last character's spare bits differ; only one is ours.
    return toBase64Url(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}
