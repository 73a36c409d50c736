import type { z } from "zod";
import { boundedText } from "../core/bounded-text.ts";
import { RouterError } from "../core/errors.ts";
import { HUB_SETTINGS, type HubId } from "../core/hub-prompt.ts";

export interface HubConnection {
  readonly hub: HubId;
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** For one answer, its body included. */
  readonly timeoutMs: number;
}

export interface HubQuestion {
  /** For people: what is asked for. */
  readonly what: string;
  /** Names in it are encoded already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** What to do when it is not there. */
  readonly ifAbsent: string;
}

const BYTES_MAX = 8 * 1024 * 1024;

/**
 * Asks a hub once and parses its answer.
 * @throws RouterError `upstream_unavailable` without a usable answer, `not_found` when there is no such thing
 */
export async function askHub<T>(connection: HubConnection, question: HubQuestion, schema: z.ZodType<T>): Promise<T> {
  const { hub } = connection;
  const { status, text } = await answerOf(connection, question);
  if (status !== 200) throw refusal(connection, question, status);
  if (text === null) throw unusable(hub, question, `is longer than ${BYTES_MAX} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unusable(hub, question, "is not JSON");
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unusable(hub, question, `has an unknown form at '${issue?.path.join(".")}': ${issue?.message}`);
}

async function answerOf(
  { hub, baseUrl, headers, fetch, timeoutMs }: HubConnection,
  { path, query = {} }: HubQuestion,
): Promise<{ readonly status: number; readonly text: string | null }> {
  const url = new URL(`${baseUrl.replace(/\/+$/, "")}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  try {
    // A redirect is not followed, so that the key goes nowhere else.
    const response = await fetch(url.href, {
      method: "GET",
      headers: { ...headers, accept: "application/json" },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await boundedText(response, BYTES_MAX) };
  } catch (cause) {
    throw new RouterError(
      "upstream_unavailable",
      `${hub} gave no answer at ${url.origin} (${reasonOf(cause)}). Check the address and that it can be reached from here.`,
      { reason: "hub_unavailable", cause },
    );
  }
}

/** What `fetch` says of itself is only that it failed; its cause says why. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  return String(cause instanceof Error && cause.message !== "" ? cause.message : error);
}

function refusal({ hub, baseUrl }: HubConnection, { what, ifAbsent }: HubQuestion, status: number): RouterError {
  const { origin } = new URL(baseUrl);
  const because = (advice: string, reason: string): RouterError =>
    new RouterError("upstream_unavailable", `${hub} answered ${status} when asked for ${what}. ${advice}`, { reason });
  if (status === 404 || status === 410)
    return new RouterError("not_found", `${hub} has no ${what}. ${ifAbsent}`, { reason: "unknown_prompt" });
  if (status === 401) return because(`It does not take the API key: ${HUB_SETTINGS[hub]}.`, "hub_refused_key");
  if (status === 403)
    return because(`The API key may not read prompts there: ${PERMISSION[hub]}.`, "hub_refused_permission");
  if (status === 429) return because("It takes no more requests for now: wait a minute.", "hub_rate_limited");
  if (status >= 500) return because(`It is in trouble at ${origin}: try again in a while.`, "hub_unavailable");
  if (status >= 300 && status < 400)
    return because(`It points elsewhere, which is not followed: correct the address ${origin}.`, "hub_redirects");
  return because(`Check the prompt, its version or label, and the address ${origin}.`, "hub_refused");
}

const PERMISSION: Readonly<Record<HubId, string>> = {
  arize: "give its role PROMPT_READ in the prompt's space",
  phoenix: "use the key of a user who may read there",
};

const unusable = (hub: HubId, { what }: HubQuestion, problem: string): RouterError =>
  new RouterError(
    "upstream_unavailable",
    `The answer of ${hub} to a question for ${what} ${problem}. Check that the address is the hub's.`,
    { reason: "hub_answer" },
  );
