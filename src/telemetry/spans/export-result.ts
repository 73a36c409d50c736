import type { SpanDestination } from "./span-destinations.ts";

/** What became of a request to a collector. */
export type ExportResult =
  /** `rejected`: how many of the spans the collector says that it did not take. */
  | { readonly kind: "taken"; readonly rejected: number }
  /** It may work later. */
  | { readonly kind: "later"; readonly problem: string; readonly fix: string; readonly afterMs: number | null }
  /** Something in these spans is at fault. */
  | { readonly kind: "refused"; readonly problem: string }
  /** Nothing will be taken until somebody changes a setting. */
  | { readonly kind: "blocked"; readonly problem: string; readonly fix: string };

const RETRY_AFTER_MS_MAX = 60_000;

/** Statuses that speak of what was sent, not of where or by whom. */
const SPANS_AT_FAULT: ReadonlySet<number> = new Set([400, 413, 422]);
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

/** Judges an answer by its status. @param now epoch milliseconds */
export function judgeAnswer(
  destination: Pick<SpanDestination, "kind" | "url">,
  {
    status,
    retryAfter,
    body,
  }: { readonly status: number; readonly retryAfter: string | null; readonly body: Uint8Array },
  now: number,
): ExportResult {
  if (status >= 200 && status < 300) return { kind: "taken", rejected: rejectedSpans(body) };
  const problem = `it answered ${status}`;
  if (SPANS_AT_FAULT.has(status)) return { kind: "refused", problem };
  if (status >= 500 || LATER.has(status))
    return { kind: "later", problem, fix: fixOfLater(destination, status), afterMs: retryAfterMs(retryAfter, now) };
  return { kind: "blocked", problem, fix: fixOfBlock(destination, status) };
}

function fixOfLater({ kind }: Pick<SpanDestination, "kind">, status: number): string {
  if (status === 500 && kind === "arize")
    return "Arize AX answers 500 where a span names no project: check SEGUE_ARIZE_PROJECT, and that the space has it or may make it.";
  if (status === 429) return "It takes fewer spans than are sent: lower segue-telemetry for busy segments.";
  return "Spans wait and are sent again.";
}

function fixOfBlock({ kind, url }: Pick<SpanDestination, "kind" | "url">, status: number): string {
  if (status !== 401 && status !== 403)
    return `Check the address of ${new URL(url).host}: it must take OTLP over HTTP as protobuf.`;
  switch (kind) {
    case "arize":
      return "Check SEGUE_ARIZE_API_KEY and SEGUE_ARIZE_SPACE_ID, that the key may write to the space, and that the host is the region's.";
    case "phoenix":
      return "Check SEGUE_PHOENIX_API_KEY; a viewer's key may not write.";
    case "otlp":
      return "Check the credentials in SEGUE_OTLP_HEADERS.";
  }
}

/** @param value a `retry-after`: seconds, or a date (RFC 9110 §10.2.3) @returns at most a minute */
export function retryAfterMs(value: string | null, now: number): number | null {
  if (value === null) return null;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? null : Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms));
}

/** `ExportTraceServiceResponse.partial_success.rejected_spans`; 0 where there is none or the body cannot be read. */
export function rejectedSpans(body: Uint8Array): number {
  const partial = fieldsOf(body).get(1);
  const rejected = partial instanceof Uint8Array ? fieldsOf(partial).get(1) : 0;
  return typeof rejected === "number" ? rejected : 0;
}

/** The varint and length-delimited fields of a message by number, as far as it can be read. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, number | Uint8Array> {
  const fields = new Map<number, number | Uint8Array>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    if (tag % 8 === 0) fields.set(Math.floor(tag / 8), value);
    else if (tag % 8 === 2) fields.set(Math.floor(tag / 8), bytes.subarray(at, (at += value)));
    else break;
  }
  return fields;
}

/** What kept a request from being answered, without what could be in an error's text: headers and addresses. */
export function judgeFailure(error: unknown, isLate: boolean): ExportResult {
  if (isLate)
    return {
      kind: "later",
      problem: "it did not answer in time",
      fix: "Spans wait and are sent again.",
      afterMs: null,
    };
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code =
    typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
      ? cause.code
      : "no connection";
  const problem = `it cannot be reached (${code})`;
  return { kind: "later", problem, fix: "Check its address, and that this host may reach it.", afterMs: null };
}
