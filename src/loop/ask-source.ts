import { boundedText } from "../core/bounded-text.ts";
import { RouterError } from "../core/errors.ts";
import type { ConfiguredSource, SourceAnswer, SourceRequest } from "../core/signal-source.ts";
import type { Clock, Counters, Random } from "../ports.ts";

export interface AskSourceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly sleep: (ms: number) => Promise<void>;
  /** For one attempt, its body included. */
  readonly timeoutMs?: number;
}

const ATTEMPTS = 5;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** A source that asks for a longer wait is left alone until the next poll. */
const WAIT_MS_MAX = 5 * 60_000;
/** How much longer than its pace a request may be kept waiting, so that many instances do not keep step. */
const JITTER = 0.25;

type Attempt =
  | { readonly kind: "answer"; readonly answer: SourceAnswer }
  | { readonly kind: "absent" }
  | { readonly kind: "retry"; readonly problem: string; readonly afterMs: number | null }
  | { readonly kind: "refused"; readonly problem: string };

/**
 * Asks a source one thing, with patience and no faster than its pace.
 * @returns null when there is no such thing
 * @throws RouterError `upstream_unavailable` when it gave no usable answer in five attempts, or refused ours
 */
export async function askSource(
  deps: AskSourceDeps,
  source: ConfiguredSource,
  request: SourceRequest,
): Promise<SourceAnswer | null> {
  let problem = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    await keepPace(deps, source);
    const outcome = await askOnce(deps, source, request);
    if (outcome.kind === "answer") return outcome.answer;
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

/** A wait before each request keeps the pace without remembering when the last one was. */
async function keepPace({ sleep, random }: AskSourceDeps, { requestsPerMinute }: ConfiguredSource): Promise<void> {
  if (!Number.isFinite(requestsPerMinute)) return;
  const [byte = 0] = random.bytes(1);
  await sleep(Math.ceil((60_000 / requestsPerMinute) * (1 + (JITTER * byte) / 255)));
}

async function askOnce(
  { fetch, clock, timeoutMs = 10_000 }: AskSourceDeps,
  source: ConfiguredSource,
  { method, path, query, headers, body, baseUrl = source.baseUrl }: SourceRequest,
): Promise<Attempt> {
  const url = new URL(`${baseUrl.replace(/\/+$/, "")}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const content =
    body === undefined
      ? { headers: { ...headers } }
      : { headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
  let response: Response;
  let text: string | null;
  try {
    // A redirect is not followed, so that the key goes nowhere else.
    const signal = AbortSignal.timeout(timeoutMs);
    response = await fetch(url.href, { method, ...content, redirect: "manual", signal });
    text = await boundedText(response, ANSWER_BYTES_MAX);
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
  if (text === null) return { kind: "refused", problem: `its answer is longer than ${ANSWER_BYTES_MAX} bytes` };
  try {
    return { kind: "answer", answer: { json: JSON.parse(text), headers: response.headers } };
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
