import type { ConfiguredSource } from "../core/signal-source.ts";
import { quote } from "../core/quote.ts";
import { emptyExport } from "./empty-export.ts";
import { fail, ok, warn, type Check, type Found } from "./finding.ts";
import { unreachable, type Prober } from "./probe.ts";

export interface PhoenixDoctorSettings {
  readonly url: string;
  readonly apiKey: string | null;
  readonly project: string;
  /** The source that would be polled, for its own checks. */
  readonly source: Pick<ConfiguredSource, "checks">;
}

const VERSION = "x-phoenix-server-version";

/** Whether Phoenix can be read, understands what is asked, takes spans, and lets this key write feedback. */
export function phoenixChecks(prober: Prober, settings: PhoenixDoctorSettings): readonly Check[] {
  const base = settings.url.replace(/\/+$/, "");
  const authorization: Record<string, string> =
    settings.apiKey === null ? {} : { authorization: `Bearer ${settings.apiKey}` };
  const write = { prober, base, authorization };
  return [
    { id: "phoenix-read", title: "Phoenix: reading", run: () => readCheck(prober, settings, base) },
    {
      id: "phoenix-otlp",
      title: "Phoenix: spans over OTLP",
      run: () =>
        writeCheck(write, {
          path: "/v1/traces",
          type: "application/x-protobuf",
          body: emptyExport(settings.project),
          what: "spans",
        }),
    },
    {
      id: "phoenix-annotations",
      title: "Phoenix: feedback",
      run: () =>
        writeCheck(write, {
          path: "/v1/span_annotations?sync=false",
          type: "application/json",
          body: '{"data":[]}',
          what: "feedback",
        }),
    },
  ];
}

async function readCheck(prober: Prober, { source }: PhoenixDoctorSettings, base: string): Promise<Found> {
  let version: string | null = null;
  for (const { request, problemOf } of source.checks) {
    const url = `${base}${request.path}`;
    const answer = await prober.ask({
      method: request.method,
      url,
      headers: { ...request.headers, "content-type": "application/json" },
      body: JSON.stringify(request.body),
    });
    if (answer.kind === "unreached") return unreachable(answer, url, "SEGUE_PHOENIX_URL");
    if (answer.status === 401 || answer.status === 403)
      return fail(
        `${url} does not let this key in (${answer.status})`,
        "Set SEGUE_PHOENIX_API_KEY to a key of this Phoenix; a viewer's is enough to read.",
      );
    if (answer.status === 404)
      return fail(
        `there is nothing at ${url} (404)`,
        "Set SEGUE_PHOENIX_URL to Phoenix's own address, such as http://phoenix:6006.",
      );
    if (answer.status !== 200) return fail(`${url} answered ${answer.status}`, "Look into Phoenix's own log.");
    const problem = problemOf(answer);
    if (problem !== null) return fail(problem, "Do what it says; until then Segue does not poll Phoenix.");
    version = answer.headers.get(VERSION);
  }
  return version === null
    ? warn(
        "it answers what is asked, but does not say its version",
        "Let the proxy in between pass x-phoenix-server-version on.",
      )
    : ok(`Phoenix ${quote(version, 40)} has the project and understands what is asked`);
}

interface Write {
  readonly path: string;
  readonly type: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly what: string;
}

/** Sends nothing, to where something would be sent. */
async function writeCheck(
  {
    prober,
    base,
    authorization,
  }: { readonly prober: Prober; readonly base: string; readonly authorization: Record<string, string> },
  { path, type, body, what }: Write,
): Promise<Found> {
  const url = `${base}${path}`;
  const answer = await prober.ask({ method: "POST", url, headers: { ...authorization, "content-type": type }, body });
  if (answer.kind === "unreached") return unreachable(answer, url, "SEGUE_PHOENIX_URL");
  const { status } = answer;
  if (status >= 200 && status < 300) return ok(`${base} took an empty delivery of ${what}`);
  if (status === 401)
    return fail(`${base} does not know the key (401)`, "Set SEGUE_PHOENIX_API_KEY to a key of this Phoenix.");
  if (status === 403)
    return warn(
      `the key may read, but not write ${what} (403)`,
      "Take the key of a member; that of a viewer only reads.",
    );
  if (status === 422 || status === 400)
    return warn(
      `${base} let the key in but refused an empty delivery of ${what} (${status})`,
      "Send one request and look for it.",
    );
  if (status === 503 || status === 429)
    return warn(
      `${base} takes no more ${what} just now (${status})`,
      "See PHOENIX_MAX_SPANS_QUEUE_SIZE, and what its database does.",
    );
  return fail(`${base} answered ${status} to ${what}`, "Correct SEGUE_PHOENIX_URL, or look into Phoenix's own log.");
}
