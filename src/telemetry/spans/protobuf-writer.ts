/** Below this many bytes a loop is faster than a call of the host. */
const LOOP_BYTES = 24;
const SMALL_TEXT = 64;

const HEX_DIGITS = new Uint8Array(128);
for (let value = 0; value < 16; value++) {
  HEX_DIGITS[value.toString(16).charCodeAt(0)] = value;
  HEX_DIGITS[value.toString(16).toUpperCase().charCodeAt(0)] = value;
}

/** Bytes that a varint takes. @param value a whole number in [0, 2^53) */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** Bytes of text as UTF-8; half of a surrogate pair counts as U+FFFD does. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes += 1;
    else if (code >= 0xd800 && code < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      // Four bytes for a pair, which is two units of the text.
      bytes += 2;
      i += 1;
    } else bytes += 2;
  }
  return bytes;
}

const utf8 = new TextEncoder();

/**
 * Writes the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/) one after another into
 * slabs, because an array of its own for each small message costs more than filling it.
 */
export class ProtobufWriter {
  readonly #slabBytes: number;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #at = 0;

  /** @param slabBytes how much memory is taken at once; what is handed out keeps all of it alive */
  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
  }

  /** Begins a new piece; the last one ends. */
  begin(): void {
    this.#start = this.#at;
  }

  /** Forgets what was written since `begin`, to write over it. */
  clear(): void {
    this.#at = this.#start;
  }

  /** Forgets all but the first bytes since `begin`. */
  clearTo(length: number): void {
    this.#at = this.#start + length;
  }

  /** What was written since `begin`: a view of the slab, which is not written to again unless it is cleared. */
  taken(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** Bytes written since `begin`. */
  length(): number {
    return this.#at - this.#start;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  /** @param value a whole number in [0, 2^53) */
  varint(value: number): void {
    this.#room(8);
    let rest = value;
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128;
    for (; rest >= 128; rest >>>= 7) this.#bytes[this.#at++] = (rest & 127) | 128;
    this.#bytes[this.#at++] = rest;
  }

  /** Bytes as they are, without their length. */
  bytes(value: Uint8Array): void {
    const { length } = value;
    this.#room(length);
    if (length > LOOP_BYTES) this.#bytes.set(value, this.#at);
    else for (let i = 0; i < length; i++) this.#bytes[this.#at + i] = value[i] ?? 0;
    this.#at += length;
  }

  /** The bytes that hex digits stand for, without their length. */
  hex(digits: string): void {
    const length = digits.length >>> 1;
    this.#room(length);
    for (let i = 0; i < length; i++) {
      const high = HEX_DIGITS[digits.charCodeAt(2 * i) & 127] ?? 0;
      const low = HEX_DIGITS[digits.charCodeAt(2 * i + 1) & 127] ?? 0;
      this.#bytes[this.#at + i] = (high << 4) | low;
    }
    this.#at += length;
  }

  fixed32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  double(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /**
   * A time as nanoseconds since the epoch, fixed64. Nanoseconds do not fit a number, so the two halves are computed apart;
   * exact for whole milliseconds.
   * @param ms epoch milliseconds
   */
  nanos(ms: number): void {
    this.#room(8);
    const whole = Math.floor(ms / 65_536);
    const high = whole * 1_000_000;
    const low = (high % 65_536) * 65_536 + Math.round((ms - whole * 65_536) * 1_000_000);
    this.#view.setUint32(this.#at, low % 4_294_967_296, true);
    this.#view.setUint32(this.#at + 4, Math.floor(high / 65_536) + Math.floor(low / 4_294_967_296), true);
    this.#at += 8;
  }

  /** Text as UTF-8, without its length. Half of a surrogate pair becomes U+FFFD. */
  text(value: string): void {
    if (this.#ascii(value)) return;
    this.#room(3 * value.length);
    this.#at += utf8.encodeInto(value, this.#bytes.subarray(this.#at)).written;
  }

  /** Text as a JSON string, quotes included. */
  json(value: string): void {
    const before = this.length();
    this.byte(0x22);
    if (this.#ascii(value) && this.#isPlain(before + 1)) return this.byte(0x22);
    this.#at = this.#start + before;
    this.text(JSON.stringify(value));
  }

  /** @returns false when it is not ASCII; nothing is written then */
  #ascii(value: string): boolean {
    const { length } = value;
    this.#room(length);
    const [bytes, at] = [this.#bytes, this.#at];
    if (length > SMALL_TEXT) {
      const { read, written } = utf8.encodeInto(value, bytes.subarray(at, at + length));
      if (read !== length || written !== length) return false;
      this.#at += length;
      return true;
    }
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      bytes[at + i] = code;
    }
    this.#at += length;
    return true;
  }

  /** Whether nothing that was written after so many bytes has to be escaped in JSON. */
  #isPlain(from: number): boolean {
    const bytes = this.#bytes;
    for (let at = this.#start + from; at < this.#at; at++) {
      const byte = bytes[at] ?? 0;
      if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return false;
    }
    return true;
  }

  #room(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const written = this.#at - this.#start;
    const next = new Uint8Array(Math.max(this.#slabBytes, 2 * (written + count)));
    next.set(this.#bytes.subarray(this.#start, this.#at));
    this.#bytes = next;
    this.#view = new DataView(next.buffer);
    this.#start = 0;
    this.#at = written;
  }
}
