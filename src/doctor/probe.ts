import { boundedText } from "../core/bounded-text.ts";
import { quote } from "../core/quote.ts";
import { fail, type Found } from "./finding.ts";

export interface ProbeRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface ProbeAnswer {
  readonly kind: "answer";
  readonly status: number;
  readonly headers: Pick<Headers, "get">;
  /** Undefined where the body is not JSON. */
  readonly json: unknown;
}

/** No answer came. */
export interface Unreached {
  readonly kind: "unreached";
  readonly why: "name" | "refused" | "tls" | "timeout" | "broken";
  readonly detail: string;
}

export interface Prober {
  readonly ask: (request: ProbeRequest) => Promise<ProbeAnswer | Unreached>;
  /** By host: how far its clock is ahead of ours, in milliseconds, as its `Date` headers told. */
  readonly skews: () => ReadonlyMap<string, number>;
}

export interface ProberDeps {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: { readonly now: () => number };
  readonly timeoutMs?: number;
}

/** Of an answer that is read; whoever sends more is not what was expected. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Asks once, without patience: what is wrong now is what is to be found. Keys go only to the address that was asked. */
export function createProber({ fetch, clock, timeoutMs = 10_000 }: ProberDeps): Prober {
  const skews = new Map<string, number>();
  return {
    skews: () => skews,
    ask: async ({ method, url, headers, body }) => {
      try {
        const before = clock.now();
        const signal = AbortSignal.timeout(timeoutMs);
        const content = body === undefined ? {} : { body };
        const response = await fetch(url, { method, headers: { ...headers }, ...content, redirect: "manual", signal });
        noteSkew(skews, { url, date: response.headers.get("date"), at: (before + clock.now()) / 2 });
        const json = parsed(await boundedText(response, ANSWER_BYTES_MAX));
        return { kind: "answer", status: response.status, headers: response.headers, json };
      } catch (error) {
        return unreached(error);
      }
    },
  };
}

function noteSkew(
  skews: Map<string, number>,
  { url, date, at }: { readonly url: string; readonly date: string | null; readonly at: number },
): void {
  const theirs = date === null ? Number.NaN : Date.parse(date);
  // The header has whole seconds, cut off.
  if (!Number.isNaN(theirs)) skews.set(new URL(url).host, theirs + 500 - at);
}

function parsed(text: string | null): unknown {
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Many answers have no JSON, such as those of collectors; whoever needs it finds that it is missing.
    return undefined;
  }
}

/** The codes are Node's and OpenSSL's; fetch hides them in the cause. */
function unreached(error: unknown): Unreached {
  const codes = codesOf(error);
  const detail = codes.at(-1) ?? reasonOf(error);
  const has = (pattern: RegExp): boolean => codes.some((code) => pattern.test(code));
  if (has(/^(ENOTFOUND|EAI_AGAIN|EAI_NODATA)$/)) return { kind: "unreached", why: "name", detail };
  if (has(/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/)) return { kind: "unreached", why: "refused", detail };
  if (has(/CERT|TLS|SSL|^EPROTO$|ALTNAME/)) return { kind: "unreached", why: "tls", detail };
  if (has(/^(TimeoutError|ETIMEDOUT|UND_ERR_\w*TIMEOUT)$/)) return { kind: "unreached", why: "timeout", detail };
  return { kind: "unreached", why: "broken", detail };
}

function codesOf(error: unknown): readonly string[] {
  const codes: string[] = [];
  let one: unknown = error;
  for (let depth = 0; depth < 5 && typeof one === "object" && one !== null; depth += 1) {
    const { code, name, cause, errors } = one as Record<string, unknown>;
    if (typeof code === "string") codes.push(code);
    else if (name === "TimeoutError") codes.push(name);
    // Where a host has several addresses, each failed.
    one = cause ?? (Array.isArray(errors) ? (errors as unknown[])[0] : undefined);
  }
  return codes;
}

/** What the innermost failure says. */
function reasonOf(error: unknown): string {
  let one = error;
  while (one instanceof Error && one.cause instanceof Error) one = one.cause;
  return quote(one instanceof Error ? one.message : String(one), 200);
}

/** @param variable where the address comes from */
export function unreachable({ why, detail }: Unreached, url: string, variable: string): Found {
  const { host: at, protocol } = new URL(url);
  switch (why) {
    case "name":
      return fail(
        `the name ${at} is not known to DNS (${detail})`,
        `Correct ${variable}, or let this host resolve it.`,
      );
    case "refused":
      return fail(
        `nothing takes connections at ${at} (${detail})`,
        `Start what should listen there, open the firewall, or correct ${variable}.`,
      );
    case "tls":
      return fail(
        `no secure connection to ${at} (${detail})`,
        protocol === "https:"
          ? `Let Node trust the certificate's issuer (NODE_EXTRA_CA_CERTS), or write http in ${variable} if it has no TLS.`
          : `Correct ${variable}.`,
      );
    case "timeout":
      return fail(
        `${at} does not answer in time`,
        `Look for a proxy or firewall that drops packets, or correct ${variable}.`,
      );
    case "broken":
      return fail(
        `the connection to ${at} broke (${detail})`,
        protocol === "http:"
          ? `See whether HTTP is spoken there, and not only HTTPS; ${variable} says where it is.`
          : `See what listens there; ${variable} says where it is.`,
      );
  }
}
