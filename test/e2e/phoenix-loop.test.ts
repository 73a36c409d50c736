import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metadataOf } from "../fakes/arize/columns.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";
import { until } from "./segue-process.ts";
import { hostsOf, openShop, shopPolicy, type Answer, type Shop } from "./telemetry-home.ts";

const DAY = 25 * 3_600_000;
/** Answers are looked at when they are a minute old. */
const SETTLED = 62_000;

let phoenix: Awaited<ReturnType<typeof fakePhoenix>>;
let shop: Shop;

beforeAll(async () => {
  shop = await openShop(async (now) => {
    phoenix = await fakePhoenix({ now });
    return {
      SEGUE_PHOENIX_URL: phoenix.url,
      SEGUE_PHOENIX_API_KEY: "phoenix-key",
      SEGUE_PHOENIX_PROJECT: "support",
      SEGUE_PHOENIX_POLL_MS: "100",
    };
  });
  await shop.publish(shopPolicy(["eu", "us"].map((id) => ({ id }))));
  await shop.serve();
});
afterAll(async () => {
  await shop?.remove();
  await phoenix?.close();
});

// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;
const segment = async (id: string): Promise<Json> => (await shop.server().ask("GET", `/api/segments/shop/${id}`)).body;
const events = async (): Promise<Json[]> =>
  (await shop.server().ask("GET", "/api/ledger?limit=1000")).body.entries.map(({ event }: Json) => event);
const lastPhase = async (id: string): Promise<Json> =>
  (await events()).findLast(({ type, id: moved }) => type === "switchover.moved" && moved.startsWith(`${id}-`)).phase;
const canary = (id: string): Promise<Json> =>
  until(`a canary runs in ${id}`, async () => {
    const { open } = await segment(id);
    return open?.phase.kind === "canary" && open;
  });
const spanOf = ({ spanId }: Answer) => phoenix.spans().find((span) => span.spanId === spanId);

/** Answers that an evaluator in Phoenix itself judges: Segue hears of them from Phoenix alone. */
async function evaluated(region: string, score: number, count: number, variant: string): Promise<void> {
  const answers: Answer[] = [];
  while (answers.filter((answer) => answer.variant === variant).length < count)
    answers.push(await shop.ask({ region }));
  await until("all spans arrived", () => answers.every((answer) => spanOf(answer) !== undefined));
  const data = answers
    .filter((answer) => answer.variant === variant)
    .map(({ spanId }) => ({ span_id: spanId, name: "resolution", annotator_kind: "LLM", result: { score } }));
  const written = await fetch(`${phoenix.url}/v1/span_annotations?sync=true`, {
    method: "POST",
    headers: { authorization: "Bearer phoenix-key", "content-type": "application/json" },
    body: JSON.stringify({ data }),
  });
  expect(written.status).toBe(200);
}

describe("with nothing but a Phoenix that is asked", () => {
  test("answers are spans there and feedback is an annotation of its span", async () => {
    const answer = await shop.ask({ region: "us", headers: { "x-segue-session": "session-of-eva" } });
    await until("the span arrived", () => spanOf(answer));
    expect(await shop.rate(answer)).toMatchObject({ recorded: true, annotation: "queued" });
    await until("the annotation arrived", () => phoenix.annotations().length > 0);
    expect(phoenix.annotations()).toMatchObject([{ spanId: answer.spanId, name: "resolution", score: 1 }]);
    const span = spanOf(answer)!;
    expect(span).toMatchObject({ traceId: answer.traceId, project: "support" });
    expect(metadataOf(span)).toMatchObject({ segment_id: "shop|us", variant: "large", region: "us", error: 0 });
    expect(JSON.stringify(span.attributes)).not.toContain("session-of-eva");
  });

  test("what Phoenix's figures say of a segment moves it, and no other", async () => {
    await evaluated("us", 1, 20, "large");
    await evaluated("eu", 0, 20, "large");
    const before = await segment("us");
    expect((await segment("eu")).open).toBeNull();
    shop.clock.advance(SETTLED);
    const { change } = await canary("eu");
    expect(change).toMatchObject({ from: "large", to: "small", cause: "degraded", metric: "resolution" });
    const [signal] = (await events()).flatMap((event) =>
      event.type === "signal.recorded" && event.signal.segment === "eu" && event.signal.status === "degraded"
        ? [event.signal]
        : [],
    );
    expect(signal).toMatchObject({ source: "phoenix:bound", variant: "large", evidence: { lossMean: 1, labels: 20 } });
    const { incumbent, since, open } = await segment("us");
    expect({ incumbent, since, open }).toEqual({ incumbent: before.incumbent, since: before.since, open: null });
  });

  test("and confirms the new variant, where Segue has no label of its own", async () => {
    await evaluated("eu", 1, 40, "small");
    shop.clock.advance(SETTLED);
    await until("small is confirmed in eu", async () => (await segment("eu")).incumbent === "small");
    const because = "phoenix:bound says that resolution is healthy on small";
    expect(await lastPhase("eu")).toMatchObject({ kind: "confirmed", because });
  });

  test("and brings the former variant back when it answers well again", async () => {
    shop.clock.advance(DAY);
    expect((await canary("eu")).change).toMatchObject({ to: "large", cause: "recovered" });
    await evaluated("eu", 1, 40, "large");
    shop.clock.advance(SETTLED);
    await until("large is back in eu", async () => (await segment("eu")).incumbent === "large");
    const because = "phoenix:bound says that resolution is healthy on large";
    expect(await lastPhase("eu")).toMatchObject({ kind: "confirmed", because });
    expect((await shop.home.run("audit", "verify", "--evidence", "all")).code).toBe(0);
  });

  test("nobody else is asked: what the server connected to is the model and Phoenix", () => {
    const hostOf = (url: string): string => new URL(url).host;
    const expected = [hostOf(shop.upstream.baseUrl), hostOf(phoenix.url)];
    // A command of this test asks the server itself.
    expect(hostsOf(shop.home).filter((host) => host !== hostOf(shop.server().url))).toEqual(expected.sort());
    expect(new Set(phoenix.requests.map((path) => path.split("?")[0]))).toEqual(
      new Set(["/graphql", "/v1/traces", "/v1/span_annotations"]),
    );
  });
});
