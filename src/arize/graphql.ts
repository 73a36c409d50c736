import { z } from "zod";
import { boundedText } from "../core/bounded-text.ts";
import { RouterError } from "../core/errors.ts";
import type { Clock, Counters, Random } from "../ports.ts";
import { requestPace } from "./request-pace.ts";

/** An operation of our own, by name: Arize's audit log shows it. */
export interface GraphqlOperation<T> {
  readonly name: string;
  readonly kind: "query" | "mutation";
  readonly text: string;
  /** Of `data`. */
  readonly answer: z.ZodType<T>;
  /** False where doing it twice is not the same as doing it once: it is then not sent again after a failure that leaves open whether it was done. */
  readonly isRepeatable: boolean;
}

export interface GraphqlDeps {
  /** The whole address, such as `https://app.arize.com/graphql`; it differs by region. */
  readonly url: string;
  readonly developerKey: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: (ms: number) => Promise<void>;
  readonly counters: Counters;
  /** For one attempt, its body included. */
  readonly timeoutMs?: number;
}

export type AskArize = <T>(operation: GraphqlOperation<T>, variables: Readonly<Record<string, unknown>>) => Promise<T>;

/** Below Arize's 100 queries and 300 mutations a minute, because others use the same account. */
const PER_MINUTE = { query: 90, mutation: 270 } as const;
const ATTEMPTS = 5;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const WAIT_MS_MAX = 2 * 60_000;

/**
 * Asks Arize AX's GraphQL API, one operation after another, paced and with patience. What it rejects with is a RouterError:
 * `forbidden` for a key that is refused, `invalid_request` for an operation that is, `upstream_unavailable` for no usable
 * answer, with the reason `outcome_unknown` where a mutation that must not be repeated may have been done.
 */
export function createAskArize(deps: GraphqlDeps): AskArize {
  const pace = { query: requestPace(deps, PER_MINUTE.query), mutation: requestPace(deps, PER_MINUTE.mutation) };
  return async (operation, variables) => {
    let problem = "";
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      await pace[operation.kind]();
      deps.counters.add("segue_arize_graphql_requests_total", { operation: operation.name });
      const outcome = await askOnce(deps, operation, variables);
      if (outcome.kind === "answer") return parsed(operation, outcome.data);
      ({ problem } = outcome);
      if (!outcome.isUndone && !operation.isRepeatable)
        throw new RouterError(
          "upstream_unavailable",
          `Arize gave no answer to ${operation.name}, so it is not known whether it was done: ${problem}. Run the command again; it looks first at what is there.`,
          { reason: "outcome_unknown" },
        );
      const waitMs = outcome.afterMs ?? backoffMs(attempt, deps.random);
      if (attempt === ATTEMPTS || waitMs > WAIT_MS_MAX) break;
      deps.counters.add("segue_arize_graphql_retries_total", { operation: operation.name });
      await deps.sleep(waitMs);
    }
    throw new RouterError("upstream_unavailable", `Arize did not do ${operation.name}: ${problem}. Try again later.`, {
      reason: "arize_unavailable",
    });
  };
}

type Attempt =
  | { readonly kind: "answer"; readonly data: unknown }
  /** `isUndone`: it certainly was not done. */
  | { readonly kind: "retry"; readonly problem: string; readonly afterMs: number | null; readonly isUndone: boolean };

async function askOnce(
  { url, developerKey, fetch, clock, timeoutMs = 30_000 }: GraphqlDeps,
  { name, text }: GraphqlOperation<unknown>,
  variables: Readonly<Record<string, unknown>>,
): Promise<Attempt> {
  let response: Response;
  let body: string | null;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", "x-api-key": developerKey },
      body: JSON.stringify({ operationName: name, query: text, variables }),
      // A redirect is not followed, so that the key goes nowhere else.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    body = await boundedText(response, ANSWER_BYTES_MAX);
  } catch (error) {
    return { kind: "retry", problem: `no answer (${reasonOf(error)})`, afterMs: null, isUndone: false };
  }
  const { status } = response;
  if (status === 429)
    return { kind: "retry", problem: "it answered 429", afterMs: retryAfterMs(response, clock.now()), isUndone: true };
  if (status === 408 || status >= 500)
    return {
      kind: "retry",
      problem: `it answered ${status}`,
      afterMs: retryAfterMs(response, clock.now()),
      isUndone: false,
    };
  refuseStatus(status, url, name);
  if (body === null) throw unexpected(name, `it is longer than ${ANSWER_BYTES_MAX} bytes; ask for less`);
  return read(body, name, status);
}

/** `fetch failed` says nothing; why it did is its cause. */
const reasonOf = (error: unknown): string =>
  String(error instanceof Error && error.cause instanceof Error ? error.cause : error);

function refuseStatus(status: number, url: string, name: string): void {
  if (status === 401 || status === 403)
    throw new RouterError(
      "forbidden",
      `Arize refused ${name} with ${status}: check SEGUE_ARIZE_DEVELOPER_KEY, and that its user may read, create, change and delete monitors of the space.`,
      { reason: "arize_key_refused" },
    );
  // GraphQL servers answer 400 to an operation that does not fit their schema, and say why in the body.
  if (status !== 200 && status !== 400)
    throw new RouterError(
      "invalid_request",
      `${new URL(url).origin} answered ${status} to ${name}: check SEGUE_ARIZE_GRAPHQL_URL, which differs by region.`,
      { reason: "no_graphql_api" },
    );
}

const Body = z.object({
  data: z.unknown().optional(),
  errors: z
    .array(z.object({ message: z.string(), extensions: z.object({ code: z.string().optional() }).optional() }))
    .optional(),
});

/** Vendors tell of a limit in the errors too; whether Arize does is not documented. */
const RATE_LIMIT = /rate.?limit|too many requests/i;

function read(body: string, name: string, status: number): Attempt {
  const answer = Body.safeParse(parsedJson(body));
  if (!answer.success)
    return {
      kind: "retry",
      problem: `its answer (HTTP ${status}) is no GraphQL answer`,
      afterMs: null,
      isUndone: false,
    };
  const { data, errors = [] } = answer.data;
  if (errors.length === 0 && status === 200) return { kind: "answer", data };
  const problem = shortened(errors.map(({ message }) => message).join("; ") || `HTTP ${status}`);
  if (errors.some(({ message, extensions }) => RATE_LIMIT.test(`${message} ${extensions?.code ?? ""}`)))
    return { kind: "retry", problem, afterMs: null, isUndone: true };
  throw new RouterError("invalid_request", `Arize refused ${name}: ${problem}`, { reason: "arize_refused" });
}

function parsed<T>({ name, answer }: GraphqlOperation<T>, data: unknown): T {
  const result = answer.safeParse(data);
  if (result.success) return result.data;
  throw unexpected(name, shortened(z.prettifyError(result.error)));
}

const unexpected = (name: string, problem: string): RouterError =>
  new RouterError("upstream_unavailable", `Arize's answer to ${name} is not what this version expects: ${problem}`, {
    reason: "unexpected_answer",
  });

/** For people: one line without control characters. */
const shortened = (text: string): string => text.replaceAll(/[\s\p{C}]+/gu, " ").slice(0, 500);

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Such as a gateway's page of HTML: no answer to the operation.
    return null;
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
