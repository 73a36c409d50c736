import { createClient, listSpans } from "@arizeai/ax-client";
import { onTestFinished, vi } from "vitest";
import { postSpans, traceRequest, type MadeSpan } from "../otlp/made-spans.ts";
import { fakeArize, type FakeArizeOptions } from "./arize.ts";

export const START = Date.parse("2026-09-01T10:00:00Z");
export const SPACE = "U3BhY2U6MQ==";
export const PROJECT = "TW9kZWw6MTIz";
export const OTLP = { authorization: "arize-key", "arize-space-id": SPACE };

/** A fake account with a hand-cranked clock, as the vendor's own client sees it; closed when its test ends. */
export async function openAccount(options: FakeArizeOptions = {}) {
  vi.stubEnv("DISABLE_PRERELEASE_WARNING", "true");
  const clock = { at: START };
  const arize = await fakeArize({ now: () => clock.at, annotationConfigs: ["quality"], ...options });
  onTestFinished(() => arize.close());
  const client = createClient({ apiKey: "arize-key", baseUrl: arize.url });
  const send = (spans: readonly MadeSpan[], headers: Record<string, string> = {}) =>
    postSpans(arize.otlpUrl, { ...OTLP, ...headers }, traceRequest(spans));
  const range = { startTime: new Date(START - 3_600_000), endTime: new Date(START) };
  const list = async (filter?: string) =>
    (await listSpans({ client, project: PROJECT, ...range, ...(filter === undefined ? {} : { filter }) })).data;
  const ids = async (filter?: string) => (await list(filter)).map(({ context }) => Number(`0x${context.spanId}`));
  const ask = async (query: string, variables: object = {}) => {
    const answer = await fetch(arize.graphqlUrl, {
      method: "POST",
      headers: { "x-api-key": "arize-developer-key", "content-type": "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    type Body = { data?: Record<string, Record<string, never>>; errors?: { message: string }[] };
    return { status: answer.status, headers: answer.headers, ...((await answer.json()) as Body) };
  };
  return { clock, arize, client, send, list, ids, ask };
}

/** The 16 hex digits of a number. */
export const id = (number: number): string => number.toString(16).padStart(16, "0");
/** A span of one segment; the higher its number, the older it is. */
export const span = (number: number, over: Partial<MadeSpan> = {}): MadeSpan => ({
  spanId: id(number),
  startMs: START - 60_000 * number,
  metadata: { segment_id: "support|prime", variant: "large" },
  ...over,
});
