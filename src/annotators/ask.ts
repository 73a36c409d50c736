import { z } from "zod";
import { boundedText } from "../core/bounded-text.ts";
import type { Clock } from "../ports.ts";

export interface AskDeps {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
}

export interface Question {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What a vendor's server made of a question, by whose doing that is. */
export type Answer =
  | { readonly kind: "answered"; readonly status: number; readonly text: string }
  /** The question is at fault. `says` are the vendor's own words, whole, where names may be looked for. */
  | { readonly kind: "refused"; readonly status: number; readonly problem: string; readonly says: string }
  | { readonly kind: "forbidden"; readonly status: 401 | 403; readonly problem: string }
  /** Nobody is asked anything now; null where the server did not say for how long. */
  | { readonly kind: "unavailable"; readonly problem: string; readonly afterMs: number | null };

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** What is shown of a vendor's own words. */
const SHOWN = 300;

/** Asks once. Never rejects: an answer that did not come is one of the answers. */
export async function ask({ fetch, clock }: AskDeps, { method, url, headers, body }: Question): Promise<Answer> {
  let response: Response;
  let text: string | null;
  try {
    response = await fetch(url, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // A redirect is not followed, so that the key goes nowhere else.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await boundedText(response, ANSWER_BYTES_MAX);
  } catch (error) {
    return { kind: "unavailable", problem: `no answer (${String(error).slice(0, SHOWN)})`, afterMs: null };
  }
  const { status } = response;
  if (status >= 200 && status < 300)
    return text === null
      ? { kind: "unavailable", problem: `its answer is longer than ${ANSWER_BYTES_MAX} bytes`, afterMs: null }
      : { kind: "answered", status, text };
  const says = wordsOf(text ?? "");
  const problem = `it answered ${status}${says === "" ? "" : ` (${says.slice(0, SHOWN)})`}`;
  if (status === 401 || status === 403) return { kind: "forbidden", status, problem };
  if (status < 400 || status === 408 || status === 425 || status === 429 || status >= 500)
    return { kind: "unavailable", problem, afterMs: retryAfterMs(response, clock.now()) };
  return { kind: "refused", status, problem, says };
}

/** RFC 9457, and FastAPI's `detail`. */
const Problem = z.object({ title: z.string().optional(), detail: z.string().optional() });

/** What a refusal says for people to read, but no page of HTML. */
function wordsOf(text: string): string {
  const { title, detail } = Problem.safeParse(parsedJson(text)).data ?? {};
  const said = [title, detail].filter((word) => word !== undefined).join(": ");
  return said === "" && !/^\s*[<{[]/.test(text) ? text.trim() : said;
}

/** The value of a JSON text, or undefined where it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller's schema refuses it.
    return undefined;
  }
}

/** RFC 9110 §10.2.3: seconds or an HTTP date. */
function retryAfterMs(response: Response, now: number): number | null {
  const value = response.headers.get("retry-after")?.trim() ?? "";
  const at = /^\d+$/.test(value) ? now + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
