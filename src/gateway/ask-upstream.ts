import { RouterError } from "../core/errors.ts";
import type { Target } from "../core/policy.ts";
import type { Provider, ProviderRequest } from "../ports.ts";
import { blameOf } from "./answer-recorder.ts";
import { readBounded, resumed, type Body } from "./read-bounded.ts";

/** An upstream's answer: read whole, except for event streams and bodies beyond the limit. */
export interface UpstreamAnswer {
  readonly target: Target;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
  readonly isEventStream: boolean;
}

export interface Asked {
  /** How many targets were tried. */
  readonly tried: number;
  readonly result: UpstreamAnswer | RouterError;
}

/** Longer bodies stream through: beyond this a whole copy costs more than an honest error is worth. */
const BODY_BYTES_MAX = 32 * 1024 * 1024;

const isRetryable = (status: number): boolean => blameOf(status) === "service";

/**
 * Asks the targets in order until one answers, which is before anything was sent to the client.
 * The last target's answer counts whatever it is. Stops when the request's signal aborts.
 * @param targets at least one
 */
export async function askUpstream(
  providers: ReadonlyMap<string, Provider>,
  targets: readonly Target[],
  request: Omit<ProviderRequest, "target">,
): Promise<Asked> {
  let tried = 0;
  let result: Asked["result"] = new RouterError("upstream_unavailable", "The variant names no provider.");
  for (const target of targets) {
    tried++;
    const isLast = tried === targets.length;
    result = await attempt(providers, { ...request, target, body: { ...request.body, model: target.model } }, isLast);
    if (request.signal.aborted || isLast) break;
    if (result instanceof RouterError ? result.code !== "upstream_unavailable" : !isRetryable(result.status)) break;
  }
  return { tried, result };
}

async function attempt(
  providers: ReadonlyMap<string, Provider>,
  request: ProviderRequest,
  isLast: boolean,
): Promise<Asked["result"]> {
  const { target } = request;
  const provider = providers.get(target.provider);
  if (provider === undefined)
    return unavailable(`Provider '${target.provider}' is not configured here.`, "provider_not_configured");
  try {
    const { status, headers, body } = await provider.send(request);
    if (status < 200 || status > 599 || (status >= 300 && status < 400)) {
      discard(body);
      return unavailable(
        `Provider '${target.provider}' answered with status ${status}: check its base URL.`,
        "upstream_status",
      );
    }
    const isEventStream = status < 300 && (headers.get("content-type") ?? "").startsWith("text/event-stream");
    if (isEventStream) {
      const begun = await beginning(target, body);
      return begun instanceof RouterError ? begun : { target, status, headers, body: begun, isEventStream };
    }
    if (!isLast && isRetryable(status)) {
      discard(body);
      return { target, status, headers, body: new Uint8Array(0), isEventStream: false };
    }
    const read = await readAnswer(target, body);
    if (read instanceof RouterError) return read;
    return {
      target,
      status: (status < 300 ? statusWithin(read) : null) ?? status,
      headers,
      body: read,
      isEventStream: false,
    };
  } catch (error) {
    if (error instanceof RouterError) return error;
    throw error;
  }
}

/** Waits for the first byte: a stream without one is no answer, and the next target may give one. */
async function beginning(
  target: Target,
  body: ReadableStream<Uint8Array> | null,
): Promise<ReadableStream<Uint8Array> | RouterError> {
  const none = (cause?: unknown): RouterError =>
    unavailable(`Provider '${target.provider}' ended its answer before the first byte.`, "upstream_cut", cause);
  if (body === null) return none();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return none();
      if (value.length > 0) return resumed([value], reader);
    }
  } catch (cause) {
    return none(cause);
  }
}

async function readAnswer(target: Target, body: ReadableStream<Uint8Array> | null): Promise<Body | RouterError> {
  try {
    return await readBounded(body, BODY_BYTES_MAX);
  } catch (cause) {
    return unavailable(`Provider '${target.provider}' broke off in the middle of its answer.`, "upstream_cut", cause);
  }
}

/** Some upstreams report an error under status 200, which clients would take for an answer; the status it should have had, else null. */
function statusWithin(body: Body): number | null {
  if (!(body instanceof Uint8Array)) return null;
  const start = new TextDecoder().decode(body.subarray(0, 32));
  if (!/^\s*\{\s*"error"\s*:\s*\{/.test(start)) return null;
  try {
    const { error, choices } = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
    if (choices !== undefined) return null;
    const { code, status } = error as Record<string, unknown>;
    return [code, status].find((value) => isErrorStatus(value)) ?? 502;
  } catch {
    // It only began like an error object: whoever reads it will say what is wrong with it.
    return null;
  }
}

const isErrorStatus = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 400 && value <= 599;

function discard(body: ReadableStream<Uint8Array> | null): void {
  // Nothing more is wanted of this answer, so neither is the fault of not getting it.
  body?.cancel().catch(() => undefined);
}

const unavailable = (message: string, reason: string, cause?: unknown): RouterError =>
  new RouterError("upstream_unavailable", message, { reason, cause });
