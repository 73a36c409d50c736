import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metadataOf } from "../fakes/arize/columns.ts";
import { fakeArize } from "../fakes/arize/arize.ts";
import { until } from "./segue-process.ts";
import { callerTrace, openShop, shopPolicy, type Answer, type Shop } from "./telemetry-home.ts";

const SECRET = "whsec_0123456789abcdef";
const PROJECT = "TW9kZWw6MTIz";
const MINUTE = 61_000;
const DAY = 25 * 3_600_000;
const WINDOW = ["--window-seconds", "60"];

let arize: Awaited<ReturnType<typeof fakeArize>>;
let shop: Shop;

beforeAll(async () => {
  shop = await openShop(async (now) => {
    arize = await fakeArize({ now });
    return {
      SEGUE_ARIZE_URL: arize.url,
      SEGUE_ARIZE_API_KEY: "arize-key",
      SEGUE_ARIZE_SPACE_ID: arize.space.id,
      SEGUE_ARIZE_PROJECT_ID: PROJECT,
      SEGUE_ARIZE_OTLP_URL: arize.otlpUrl,
      SEGUE_ARIZE_GRAPHQL_URL: arize.graphqlUrl,
      SEGUE_ARIZE_DEVELOPER_KEY: "arize-developer-key",
      SEGUE_ARIZE_WEBHOOK_SECRET: SECRET,
      // Nothing is heard but what a webhook rings for.
      SEGUE_ARIZE_POLL_MS: "3600000",
    };
  });
  await shop.publish(shopPolicy(["eu", "us", "asia", "africa"].map((id) => ({ id }))));
  const server = await shop.serve();
  arize.attachWebhook({ url: `${server.url}/webhooks/arize`, auth: { kind: "hmac", key: SECRET } });
});
afterAll(async () => {
  await shop?.remove();
  await arize?.close();
});

const segment = async (id: string) => (await shop.server().ask("GET", `/api/segments/shop/${id}`)).body;
/** What each other segment is served. */
const servedBeside = async (id: string): Promise<unknown[]> => {
  const { body } = await shop.server().ask("GET", "/api/table");
  const rows = body.segments as { segment: string; incumbent: string; since: number; open: unknown }[];
  return rows.filter((row) => row.segment !== id).map((row) => [row.segment, row.incumbent, row.since, row.open]);
};
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;
const events = async (): Promise<Json[]> =>
  (await shop.server().ask("GET", "/api/ledger?limit=1000")).body.entries.map(({ event }: Json) => event);
const signals = async (id: string): Promise<Json[]> =>
  (await events()).flatMap((event) =>
    event.type === "signal.recorded" && event.signal.segment === id ? [event.signal] : [],
  );
const lastPhase = async (id: string): Promise<Json> =>
  (await events()).findLast(({ type, id: moved }) => type === "switchover.moved" && moved.startsWith(`${id}-`)).phase;
const canary = (id: string): Promise<Json> =>
  until(`a canary runs in ${id}`, async () => {
    const { open } = await segment(id);
    return open?.phase.kind === "canary" && open;
  });
/** Asks until so many answers of a variant are rated. */
async function trialLabels(region: string, variant: string, count: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.filter((answer) => answer.variant === variant).length < count)
    answers.push(await shop.askAndRate({ region }));
  return answers;
}
const spanOf = ({ spanId }: Answer) => arize.spans().find((span) => span.spanId === spanId);
const monitor = (name: string) => [...arize.monitors.values()].find((one) => one.name === name);
/** Until Arize has the answers and what was thought of them. */
async function arrived(answers: readonly Answer[]): Promise<void> {
  await until("all spans arrived", () => answers.every((answer) => spanOf(answer) !== undefined));
  // What was sent before its span was there is sent again after ten seconds.
  shop.clock.advance(11_000);
  await until("all annotations arrived", () => {
    const annotated = new Set(arize.annotations().map(({ spanId }) => spanId));
    return answers.every(({ spanId }) => annotated.has(spanId));
  });
}
async function traffic(region: string, count: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < count) answers.push(await shop.askAndRate({ region }));
  return answers;
}

describe("what Arize gets", () => {
  test("are monitors as the policies say, and a plan finds nothing to do after that", async () => {
    expect((await shop.home.run("monitors", "plan", ...WINDOW)).code).toBe(2);
    const applied = await shop.home.run("monitors", "apply", ...WINDOW, "--json");
    expect([applied.code, applied.json().applied]).toMatchObject([0, { create: 4 }]);
    expect((await shop.home.run("monitors", "plan", ...WINDOW)).code).toBe(0);
    expect([...arize.monitors.values()].map(({ name }) => name).sort()).toEqual(
      ["africa", "asia", "eu", "us"].map((id) => `seg|shop|${id}|resolution`),
    );
  });

  test("is a span for each answer, by segment, variant and prompt, under the caller's span", async () => {
    const caller = callerTrace();
    const headers = { traceparent: caller.traceparent, "x-segue-session": "session-of-eva" };
    const answer = await shop.ask({ region: "asia", headers, user: "eva-brandt" });
    expect((await shop.rate(answer, { comment: "it was right" })).annotation).toBe("queued");
    await arrived([answer]);
    const span = spanOf(answer)!;
    expect(span).toMatchObject({
      traceId: caller.traceId,
      parentSpanId: caller.spanId,
      project: "segue",
      status: { code: "OK" },
    });
    expect(metadataOf(span)).toMatchObject({
      region: "asia",
      segment_id: "shop|asia",
      policy: "shop",
      segment: "asia",
      variant: "large",
      owner: "team-asia",
      business_unit: "retail",
      risk: "low",
      reason: "TARGETING_MATCH",
      error: 0,
      status: 200,
    });
    expect(span.attributes).toMatchObject({
      "llm.model_name": "gpt-4o",
      "llm.prompt_template.version": "help@v3",
      "llm.token_count.prompt": 1,
      "llm.token_count.completion": 1,
      "llm.token_count.total": 2,
      "session.id": expect.stringMatching(/^tok_/),
      "user.id": expect.stringMatching(/^tok_/),
      "output.value": expect.stringContaining("It arrives on Friday."),
    });
    expect(arize.annotations()).toMatchObject([
      { spanId: answer.spanId, name: "resolution", score: 1, text: "it was right" },
    ]);
  });
});

describe("a fault in one segment", () => {
  test("that Arize's monitor sees moves that segment and no other, for Arize's word alone", async () => {
    shop.breakIn("eu", "gpt-4o");
    // So few labels that the built-in detector cannot have an alarm: each multiplies its odds by five at most.
    const answers = [...(await traffic("eu", 6)), ...(await traffic("us", 6)), ...(await traffic("asia", 6))];
    await arrived(answers);
    const before = await servedBeside("eu");
    expect(before).toHaveLength(3);
    expect((await segment("eu")).open).toBeNull();

    const changes = await arize.evaluate();
    expect(changes.map((change) => `${change.monitor.name} ${change.monitor.status}`).sort()).toEqual([
      "seg|shop|asia|resolution CLEARED",
      "seg|shop|eu|resolution TRIGGERED",
      "seg|shop|us|resolution CLEARED",
    ]);
    const open = await canary("eu");
    expect(open.change).toMatchObject({ from: "large", to: "small", cause: "degraded", metric: "resolution" });
    const evidence = { lossMean: 1, lossTolerated: 0.2 };
    expect(await signals("eu")).toMatchObject([{ source: "arize", variant: "large", status: "degraded", evidence }]);
    expect(await servedBeside("eu")).toEqual(before);
  });

  test("ends with the variant that its labels bear out, and Arize says that it is well there", async () => {
    await until("small is confirmed in eu", async () => {
      await shop.askAndRate({ region: "eu" });
      return (await segment("eu")).incumbent === "small";
    });
    // The monitor names no variant, so it is believed from when its window holds answers of one only.
    shop.clock.advance(MINUTE);
    const answers = await traffic("eu", 5);
    expect(answers.map(({ variant }) => variant)).toEqual(Array.from({ length: 5 }, () => "small"));
    await arrived(answers);
    await arize.evaluate();
    expect(monitor("seg|shop|eu|resolution")).toMatchObject({ status: "CLEARED", latest_computed_value: 1 });
    const said = await until("Arize's word is recorded", async () =>
      (await signals("eu")).find(({ variant, source }) => variant === "small" && source === "arize"),
    );
    expect(said).toMatchObject({ status: "recovered", evidence: { lossMean: 0 } });
    expect((await segment("eu")).open).toBeNull();
  });

  test("is told by the segment report, in Markdown and HTML", async () => {
    const markdown = await shop.home.run("report", "segments", "--format", "md");
    expect([markdown.code, markdown.stdout]).toEqual([0, expect.stringMatching(/shop\/eu[^]*large → small/)]);
    const html = await shop.home.run("report", "segments", "--format", "html", "--out", "report.html");
    expect(html.code).toBe(0);
    expect(shop.home.read("report.html")).toMatch(/^<!doctype html>[^]*large → small/);
  });
});

describe("monitors for each variant", () => {
  test("replace those for each segment", async () => {
    const options = [...WINDOW, "--per-variant", "--prune"];
    const applied = await shop.home.run("monitors", "apply", ...options, "--json");
    expect([applied.code, applied.json().applied]).toMatchObject([0, { create: 8, delete: 4 }]);
    expect((await shop.home.run("monitors", "plan", ...options)).code).toBe(0);
  });

  test("move a segment and confirm its canary, by Arize's word on the new variant", async () => {
    shop.breakIn("us", "gpt-4o");
    shop.clock.advance(MINUTE);
    await arrived(await traffic("us", 6));
    await arize.evaluate();
    expect(monitor("seg|shop|us|resolution|large")?.status).toBe("TRIGGERED");
    await canary("us");
    // Now the window begins after the canary did.
    shop.clock.advance(MINUTE);
    await arrived(await trialLabels("us", "small", 4));
    await arize.evaluate();
    expect(monitor("seg|shop|us|resolution|small")?.status).toBe("CLEARED");
    await until("small is confirmed in us", async () => (await segment("us")).incumbent === "small");
    expect(await lastPhase("us")).toMatchObject({
      kind: "confirmed",
      because: "arize says that resolution is healthy on small",
    });
  });

  test("bring the segment back once the former variant is well, as labels bring back another", async () => {
    shop.mend();
    // Nobody asked for so long that the former variants are tried again.
    shop.clock.advance(DAY);
    for (const id of ["us", "eu"]) expect((await canary(id)).change).toMatchObject({ to: "large", cause: "recovered" });
    shop.clock.advance(MINUTE);
    await arrived(await trialLabels("us", "large", 4));
    await arize.evaluate();
    expect(monitor("seg|shop|us|resolution|large")?.status).toBe("CLEARED");
    await until("large is back in us", async () => (await segment("us")).incumbent === "large");
    expect(await lastPhase("us")).toMatchObject({
      because: expect.stringMatching(/^arize(:\w+)? says that resolution is healthy on large$/),
    });

    await until("large is back in eu", async () => {
      await shop.askAndRate({ region: "eu" });
      return (await segment("eu")).incumbent === "large";
    });
    expect(await lastPhase("eu")).toMatchObject({ because: expect.stringMatching(/^better at odds/) });
    expect((await shop.home.run("audit", "verify", "--evidence", "all")).code).toBe(0);
  });
});
