import { RouterError } from "../core/errors.ts";
import type { Actor } from "../core/actor.ts";
import type { Clock, ControlPlane, Counters, Log, Random } from "../ports.ts";
import type { ConfiguredSource, SourceReading, SourceRef, SourceRequest } from "../core/signal-source.ts";
import { recordSignal, refusalOf } from "./record-signal.ts";

export interface ReadSourceDeps {
  readonly controlPlane: Pick<ControlPlane, "state" | "commit">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** For one attempt, its body included. */
  readonly timeoutMs?: number;
}

/** What came of reading a source. */
export interface SourceRead {
  readonly recorded: number;
  readonly duplicates: number;
  /** What said nothing to us, by reason. */
  readonly ignored: Readonly<Record<string, number>>;
}

const ATTEMPTS = 5;
const PAGES = 50;
const CHARACTERS_MAX = 8 * 1024 * 1024;
/** A source that asks for a longer wait is left alone until the next poll. */
const WAIT_MS_MAX = 5 * 60_000;

/**
 * Reads what a reference points at, with patience, and records the signals in the answer.
 * @throws RouterError `upstream_unavailable` when the source gave no usable answer in five attempts, or refused ours
 */
export async function readSource(deps: ReadSourceDeps, source: ConfiguredSource, ref: SourceRef): Promise<SourceRead> {
  const total = { recorded: 0, duplicates: 0, ignored: {} as Record<string, number> };
  let cursor: string | null = null;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await ask(deps, source, source.read(ref, cursor));
    const reading: SourceReading =
      answer === null
        ? { signals: [], ignored: { "not-found": 1 }, cursor: null }
        : source.toSignals(answer.json, deps.controlPlane.state());
    const { recorded, duplicates, refused } = await record(deps, source, reading);
    total.recorded += recorded;
    total.duplicates += duplicates;
    for (const [reason, count] of Object.entries({ ...reading.ignored, ...refused }))
      total.ignored[reason] = (total.ignored[reason] ?? 0) + count;
    if (reading.cursor === null || reading.cursor === cursor) break;
    cursor = reading.cursor;
  }
  for (const [reason, count] of Object.entries(total.ignored))
    deps.counters.add("segue_source_ignored_total", { source: source.id, reason }, count);
  return total;
}

async function record(deps: ReadSourceDeps, source: ConfiguredSource, { signals }: SourceReading) {
  const { controlPlane, clock, log } = deps;
  const refused: Record<string, number> = {};
  const accepted = signals.filter((signal) => {
    const refusal = refusalOf(signal, controlPlane.state(), clock.now());
    if (refusal === null) return true;
    refused[refusal.reason] = (refused[refusal.reason] ?? 0) + 1;
    log.warn(`${source.id}: a signal was not recorded: ${refusal.message}`);
    return false;
  });
  if (accepted.length === 0) return { recorded: 0, duplicates: 0, refused };
  const actor: Actor = { kind: "webhook", source: source.id };
  const results = await recordSignal({ controlPlane }, { signals: accepted, actor });
  const recorded = results.filter((result) => result.recorded).length;
  return { recorded, duplicates: results.length - recorded, refused };
}

type Attempt =
  | { readonly kind: "answer"; readonly json: unknown }
  | { readonly kind: "absent" }
  | { readonly kind: "retry"; readonly problem: string; readonly afterMs: number | null }
  | { readonly kind: "refused"; readonly problem: string };

/** @returns null when there is no such thing */
async function ask(
  deps: ReadSourceDeps,
  source: ConfiguredSource,
  request: SourceRequest,
): Promise<{ readonly json: unknown } | null> {
  let problem = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const outcome = await askOnce(deps, source, request);
    if (outcome.kind === "answer") return { json: outcome.json };
    if (outcome.kind === "absent") return null;
    ({ problem } = outcome);
    if (outcome.kind === "refused") break;
    const waitMs = outcome.afterMs ?? backoffMs(attempt, deps.random);
    if (attempt === ATTEMPTS || waitMs > WAIT_MS_MAX) break;
    deps.counters.add("segue_source_retries_total", { source: source.id });
    await deps.sleep(waitMs);
  }
  throw new RouterError("upstream_unavailable", `${source.id} could not be read at ${request.path}: ${problem}.`, {
    reason: "source_unavailable",
  });
}

async function askOnce(
  { fetch, clock, timeoutMs = 10_000 }: ReadSourceDeps,
  { baseUrl }: ConfiguredSource,
  { method, path, query, headers }: SourceRequest,
): Promise<Attempt> {
  const url = new URL(`${baseUrl.replace(/\/+$/, "")}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  let response: Response;
  let text: string;
  try {
    // A redirect is not followed, so that the key goes nowhere else.
    const signal = AbortSignal.timeout(timeoutMs);
    response = await fetch(url.href, { method, headers: { ...headers }, redirect: "manual", signal });
    text = await response.text();
  } catch (error) {
    return { kind: "retry", problem: `no answer (${String(error)})`, afterMs: null };
  }
  const { status } = response;
  if (status === 404 || status === 410) return { kind: "absent" };
  if (status === 401 || status === 403)
    return { kind: "refused", problem: `it refused the API key with ${status}: check the key and its permissions` };
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return { kind: "retry", problem: `it answered ${status}`, afterMs: retryAfterMs(response, clock.now()) };
  if (status !== 200) return { kind: "refused", problem: `it answered ${status}` };
  if (text.length > CHARACTERS_MAX)
    return { kind: "refused", problem: `its answer is longer than ${CHARACTERS_MAX} characters` };
  try {
    return { kind: "answer", json: JSON.parse(text) };
  } catch (error) {
    return { kind: "retry", problem: `its answer is not JSON (${String(error)})`, afterMs: null };
  }
}

/** RFC 9110: seconds or an HTTP date. */
function retryAfterMs(response: Response, now: number): number | null {
  const value = response.headers.get("retry-after")?.trim();
  if (value === undefined || value === "") return null;
  const at = /^\d+$/.test(value) ? now + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** Full jitter over a doubling ceiling, from half a second. */
function backoffMs(attempt: number, random: Random): number {
  const [byte = 0] = random.bytes(1);
  return Math.round(((byte + 1) / 256) * 500 * 2 ** (attempt - 1));
}
