import { RouterError } from "../core/errors.ts";
import type { Provider, ProviderRequest } from "../ports.ts";

/** The part of `fetch` that is used, so that a host may pass its own with its own connection pool. */
export type Fetch = (
  url: string,
  init: {
    readonly method: "POST";
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly redirect: "manual";
    readonly signal: AbortSignal;
  },
) => Promise<FetchAnswer>;

/** The part of a `Response` that is used. */
export interface FetchAnswer {
  readonly status: number;
  readonly headers: { readonly forEach: (visit: (value: string, name: string) => void) => void };
  readonly body: unknown;
}

export interface OpenaiProviderOptions {
  readonly id: string;
  /** Such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  /** Read for every request, so that a key can be rotated; without one no authorization is sent. */
  readonly apiKey: () => string | undefined;
  readonly fetch: Fetch;
  /** How long the upstream may take until it begins to answer. OpenAI's own clients wait ten minutes. */
  readonly headersTimeoutMs?: number;
}

/** Any API that speaks OpenAI's wire format. Throws `RouterError` `invalid_request` for a base URL that is none. */
export function openaiProvider({
  id,
  baseUrl,
  apiKey,
  fetch,
  headersTimeoutMs = 600_000,
}: OpenaiProviderOptions): Provider {
  const base = checkedBaseUrl(id, baseUrl);
  return {
    id,
    send: async ({ path, body, headers, signal }) => {
      const text = bodyText(body);
      const key = apiKey();
      const timed = withDeadline(signal, headersTimeoutMs);
      try {
        const {
          status,
          headers: answered,
          body: stream,
        } = await fetch(`${base}${path}`, {
          method: "POST",
          headers: {
            ...headers,
            "content-type": "application/json",
            accept: body.stream === true ? "text/event-stream" : "application/json",
            // A compressed answer would be decompressed on its way through, and held back while it is.
            "accept-encoding": "identity",
            ...(key === undefined || key === "" ? {} : { authorization: `Bearer ${key}` }),
          },
          body: text,
          redirect: "manual",
          signal: timed.signal,
        });
        return { status, headers: copied(answered), body: stream as ReadableStream<Uint8Array> | null };
      } catch (cause) {
        throw new RouterError(
          "upstream_unavailable",
          `Provider '${id}' gave no answer: ${timed.isOver() ? `nothing within ${headersTimeoutMs} ms` : problemOf(cause)}.`,
          { cause },
        );
      } finally {
        timed.clear();
      }
    },
  };
}

function checkedBaseUrl(id: string, baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new RouterError("invalid_request", `The base URL of provider '${id}' is not an http(s) URL.`);
  if (url.username !== "" || url.password !== "" || url.search !== "")
    throw new RouterError(
      "invalid_request",
      `The base URL of provider '${id}' carries credentials or a query: configure its key instead.`,
    );
  return url.href.replace(/\/+$/, "");
}

function bodyText(body: ProviderRequest["body"]): string {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    // Parsing has no limit of depth but printing has.
    throw new RouterError("invalid_request", "The request body is nested too deeply.", { reason: "too_deep", cause });
  }
}

/** The client's signal, and a deadline that holds until `clear`; afterwards the client's signal still aborts the body. */
function withDeadline(client: AbortSignal, timeoutMs: number) {
  const controller = new AbortController();
  let over = false;
  const abort = (): void => controller.abort(client.reason);
  if (client.aborted) abort();
  else client.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => {
    over = true;
    controller.abort();
  }, timeoutMs);
  return { signal: controller.signal, isOver: () => over, clear: () => clearTimeout(timer) };
}

/** The error's code only: messages of URLs and headers can carry what must not be shown. */
function problemOf(error: unknown): string {
  const { name, code, cause } = error as { name?: string; code?: unknown; cause?: { code?: unknown } };
  if (name === "AbortError") return "the request was aborted";
  const known = cause?.code ?? code;
  return typeof known === "string" ? `the connection failed (${known})` : "the connection failed";
}

/** Hosts bring their own `Headers`, so they are copied into the global one. */
function copied(source: FetchAnswer["headers"]): Headers {
  const headers = new Headers();
  source.forEach((value, name) => headers.append(name, value));
  return headers;
}
