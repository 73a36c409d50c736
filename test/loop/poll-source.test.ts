import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Signal } from "../../src/core/signal.ts";
import type { ConfiguredSource, SourceQuestion } from "../../src/core/signal-source.ts";
import { createSourcePolls, pollSource } from "../../src/loop/poll-source.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly type: string | undefined;
  readonly body: string;
}

/** A server that answers by path, 200 with `{}` where nothing is said. */
async function service(statuses: Record<string, number> = {}) {
  const asked: Asked[] = [];
  const state = { statuses, underWay: 0, most: 0 };
  const server = createServer((request, response) => {
    state.most = Math.max(state.most, (state.underWay += 1));
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      asked.push({ method, url, type: headers["content-type"], body: Buffer.concat(chunks).toString() });
      state.underWay -= 1;
      response.writeHead(state.statuses[url] ?? 200, { "x-version": "7" }).end("{}");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, state };
}

const signal = (id: string): Signal => ({
  id,
  source: "x",
  policy: "support",
  segment: "prime",
  variant: "large",
  metric: "accuracy",
  status: "degraded",
  observedAt: START,
  evidence: {},
});
const question = (path: string, over: Partial<SourceQuestion> = {}): SourceQuestion => ({
  request: { method: "GET", path, query: {}, headers: {} },
  toReading: () => ({ signals: [signal(path)], ignored: {} }),
  ...over,
});
const sourceAt = (baseUrl: string, over: Partial<ConfiguredSource>): ConfiguredSource => ({
  id: "x",
  baseUrl,
  acceptsWebhooks: false,
  refuse: () => "no",
  deliveryId: () => "",
  refsOf: () => [],
  questions: () => [],
  checks: [],
  requestsPerMinute: Number.POSITIVE_INFINITY,
  ...over,
});

async function world(over: Partial<ConfiguredSource> & { statuses?: Record<string, number> } = {}) {
  const { statuses, ...source } = over;
  const [base, server] = [await signalWorld(), await service(statuses)];
  return { ...base, ...server, source: sourceAt(server.url, source) };
}

describe("a sweep of many questions", () => {
  test("asks each, by GET or by POST with JSON, and records what all answers say", async () => {
    const post = question("/b", { request: { method: "POST", path: "/b", query: {}, headers: {}, body: { q: 1 } } });
    const { deps, source, asked, signals } = await world({ questions: () => [question("/a"), post] });
    expect(await pollSource(deps, source)).toEqual({ recorded: 2, duplicates: 0, ignored: {} });
    expect(asked).toEqual([
      { method: "GET", url: "/a", type: undefined, body: "" },
      { method: "POST", url: "/b", type: "application/json", body: '{"q":1}' },
    ]);
    expect(signals()).toHaveLength(1);
  });

  test("asks one at a time, each after the wait that its pace asks for, a little longer at random", async () => {
    const questions = () => ["/a", "/b", "/c"].map((path) => question(path));
    const { deps, source, slept, state } = await world({ questions, requestsPerMinute: 30 });
    let bytes = 0;
    await pollSource({ ...deps, random: { bytes: () => new Uint8Array([(bytes += 85)]) } }, source);
    expect(slept).toEqual([2167, 2334, 2500]);
    expect(state.most).toBe(1);
  });

  test("goes on after one that failed, then says so", async () => {
    const questions = () => ["/a", "/b", "/c"].map((path) => question(path));
    const { deps, source, entries, lines } = await world({ questions, statuses: { "/b": 422 } });
    expect(await pollSource(deps, source)).toBeNull();
    expect((await entries()).filter(({ event }) => event.type === "signal.recorded")).toHaveLength(2);
    expect(lines.join("\n")).toContain("at /b: it answered 422");
  });

  test("ends after three failures in a row, so that a source that is down is not asked everything", async () => {
    const paths = ["/a", "/b", "/c", "/d", "/e"];
    const statuses = Object.fromEntries(paths.map((path) => [path, 401]));
    const { deps, source, asked } = await world({ questions: () => paths.map((path) => question(path)), statuses });
    await pollSource(deps, source);
    expect(asked.map(({ url }) => url)).toEqual(["/a", "/b", "/c"]);
  });

  test("follows what answers lead to, up to a bound", async () => {
    const endless: SourceQuestion = question("/more", {
      toReading: () => ({ signals: [], ignored: {}, next: [endless] }),
    });
    const { deps, source, asked, counted } = await world({ questions: () => [endless] });
    await pollSource(deps, source);
    expect(asked).toHaveLength(50);
    expect(counted.get("segue_source_ignored_total x too-many-pages")).toBe(1);
  });

  test("of which too few pages can be read is not ready, and says so", async () => {
    const endless: SourceQuestion = question("/more", {
      toReading: () => ({ signals: [], ignored: {}, next: [endless] }),
    });
    const { deps, source } = await world({ questions: () => [endless] });
    const polls = createSourcePolls(deps, source);
    await polls.poll();
    expect(polls.status()).toMatchObject({ ready: false, problem: expect.stringContaining("more than 50 pages") });
  });

  test("asks otherwise where there is no such thing, also at another address of the vendor", async () => {
    const other = await service();
    const request = { method: "GET", path: "/there", query: {}, headers: {}, baseUrl: other.url } as const;
    const questions = () => [question("/gone", { otherwise: question("/there", { request }) })];
    const { deps, source, signals } = await world({ questions, statuses: { "/gone": 404 } });
    await pollSource(deps, source);
    expect(other.asked.map(({ url }) => url)).toEqual(["/there"]);
    expect(signals()).toMatchObject([{ id: "/there" }]);
  });

  test("reads each answer by the state of then, not of when it was asked for", async () => {
    const seen: number[] = [];
    const { deps, source, clock } = await world({
      questions: () =>
        ["/a", "/b"].map((path) =>
          question(path, {
            toReading: (_json, { now }) => {
              seen.push(now - START);
              clock.at += 1000;
              return { signals: [], ignored: {} };
            },
          }),
        ),
    });
    await pollSource(deps, source);
    expect(seen).toEqual([0, 1000]);
  });
});

describe("a sweep that tells nothing", () => {
  const blind = (over: Partial<SourceQuestion>) => ({ questions: () => [question("/list", over)] });
  const cases = [
    { because: "nothing is there", ...blind({}), statuses: { "/list": 404 }, says: "nothing at /list" },
    {
      because: "the answer is somebody else's",
      statuses: {},
      ...blind({ toReading: () => ({ signals: [], ignored: { unreadable: 1 }, problem: "it is no list" }) }),
      says: "it is no list",
    },
  ];

  test.each(cases)("because $because is not ready, and says so once", async ({ says, questions, statuses }) => {
    const { deps, source, state, lines, counted, clock } = await world({ questions, statuses });
    const polls = createSourcePolls(deps, source);
    for (let poll = 0; poll < 3; poll += 1) await polls.poll();
    expect(polls.status()).toEqual({ id: "x", ready: false, problem: expect.stringContaining(says), readAt: null });
    expect(lines.filter((line) => line.includes(says))).toHaveLength(1);
    expect(counted.get("segue_source_failures_total x")).toBe(3);
    if (!("/list" in statuses)) return;
    state.statuses = {};
    clock.at += 1000;
    await polls.poll();
    expect(polls.status()).toEqual({ id: "x", ready: true, problem: null, readAt: START + 1000 });
  });

  test("still records what other answers say", async () => {
    const questions = () => [question("/gone"), question("/a")];
    const { deps, source, signals } = await world({ questions, statuses: { "/gone": 404 } });
    const polls = createSourcePolls(deps, source);
    expect(await polls.poll()).toMatchObject({ recorded: 1 });
    expect(signals()).toMatchObject([{ id: "/a" }]);
    expect(polls.status()).toMatchObject({ ready: false, readAt: null });
  });
});

describe("of questions that always fail", () => {
  const paths = ["/a", "/b", "/c", "/d", "/e", "/f"];
  const over = (failing: readonly string[]) => ({
    questions: () => paths.map((path) => question(path)),
    statuses: Object.fromEntries(failing.map((path) => [path, 422])),
  });

  test("three in a row do not keep the others from being asked at the next sweep", async () => {
    const { deps, source, asked } = await world(over(["/a", "/b", "/c"]));
    const polls = createSourcePolls(deps, source);
    const sweep = async () => {
      asked.length = 0;
      await polls.poll();
      return asked.map(({ url }) => url);
    };
    expect(await sweep()).toEqual(["/a", "/b", "/c"]);
    expect(await sweep()).toEqual(["/d", "/e", "/f", "/a", "/b", "/c"]);
    expect(await sweep()).toEqual(["/d", "/e", "/f", "/a", "/b", "/c"]);
  });

  test("all are asked in turn, three a sweep, also when their number changes", async () => {
    const { deps, source, asked } = await world(over(paths));
    let count = 6;
    const polls = createSourcePolls(deps, {
      ...source,
      questions: () => paths.slice(0, count).map((path) => question(path)),
    });
    await polls.poll();
    await polls.poll();
    expect(asked.map(({ url }) => url)).toEqual(paths);
    await polls.poll();
    count = 2;
    asked.length = 0;
    await polls.poll();
    expect(asked.map(({ url }) => url)).toEqual(["/b", "/a"]);
    count = 0;
    expect(await polls.poll()).toMatchObject({ recorded: 0 });
  });
});

test("an answer without an end is read up to a limit, and the connection given up", async () => {
  const chunk = Buffer.alloc(1 << 20, 32);
  const sent = { chunks: 0, closed: Promise.withResolvers<void>() };
  const server = createServer((_request, response) => {
    response.on("close", () => sent.closed.resolve());
    const write = () => {
      while (!response.destroyed && sent.chunks < 200) {
        sent.chunks += 1;
        if (!response.write(chunk)) return void response.once("drain", write);
      }
      response.end();
    };
    write();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const base = await signalWorld();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const polls = createSourcePolls(base.deps, sourceAt(url, { questions: () => [question("/a")] }));
  await polls.poll();
  await sent.closed.promise;
  expect(polls.status().problem).toContain("longer than 8388608 bytes");
  // What is on its way when the limit is reached, in buffers of both sides.
  expect(sent.chunks).toBeLessThan(40);
});

describe("the checks of a source", () => {
  const request = { method: "GET", path: "/check", query: {}, headers: {} } as const;

  test("are asked before its first sweep, once, and see the answer's headers", async () => {
    const versions: (string | null)[] = [];
    const checks = [
      {
        request,
        problemOf: ({ headers }: { headers: Pick<Headers, "get"> }) => (versions.push(headers.get("x-version")), null),
      },
    ];
    const { deps, source, asked } = await world({ checks, questions: () => [question("/a")] });
    const polls = createSourcePolls(deps, source);
    expect(polls.status()).toEqual({ id: "x", ready: false, problem: null, readAt: null });
    await polls.poll();
    await polls.poll();
    expect(asked.map(({ url }) => url)).toEqual(["/check", "/a", "/a"]);
    expect(versions).toEqual(["7"]);
    expect(polls.status()).toEqual({ id: "x", ready: true, problem: null, readAt: START });
  });

  test("that fail keep it from being read, are logged once, and are asked again until they pass", async () => {
    const problems = ["the project is not there", "the project is not there", null];
    const checks = [{ request, problemOf: () => problems.shift() ?? null }];
    const { deps, source, asked, lines } = await world({ checks, questions: () => [question("/a")] });
    const polls = createSourcePolls(deps, source);
    expect(await polls.poll()).toBeNull();
    expect(polls.status()).toMatchObject({ ready: false, problem: "the project is not there" });
    expect(await polls.poll()).toBeNull();
    expect(lines.filter((line) => line.includes("the project is not there"))).toHaveLength(1);
    expect(asked.map(({ url }) => url)).toEqual(["/check", "/check"]);
    expect(await polls.poll()).toMatchObject({ recorded: 1 });
    expect(polls.status()).toMatchObject({ ready: true, problem: null });
  });

  test.each([
    { status: 404, says: "check the base URL" },
    { status: 401, says: "check the key" },
  ])("say what to do about a $status", async ({ status, says }) => {
    const checks = [{ request, problemOf: () => null }];
    const { deps, source } = await world({ checks, statuses: { "/check": status } });
    const polls = createSourcePolls(deps, source);
    await polls.poll();
    expect(polls.status()).toMatchObject({ ready: false, problem: expect.stringContaining(says) });
  });

  test("are asked again after a sweep that failed", async () => {
    const checks = [{ request, problemOf: () => null }];
    const { deps, source, asked, state } = await world({
      checks,
      questions: () => [question("/a")],
      statuses: { "/a": 403 },
    });
    const polls = createSourcePolls(deps, source);
    await polls.poll();
    expect(polls.status()).toMatchObject({ ready: false, problem: expect.stringContaining("refused the API key") });
    state.statuses = {};
    await polls.poll();
    expect(asked.map(({ url }) => url)).toEqual(["/check", "/a", "/check", "/a"]);
    expect(polls.status()).toMatchObject({ ready: true, problem: null });
  });
});

test("a poll that the host stops is no failure of the source", async () => {
  const { deps, source, lines, counted } = await world({ questions: () => [question("/a")], requestsPerMinute: 60 });
  const stopped = Object.assign(new Error("The operation was aborted"), { name: "AbortError" });
  expect(await pollSource({ ...deps, sleep: () => Promise.reject(stopped) }, source)).toBeNull();
  expect(lines).toEqual([]);
  expect(counted.get("segue_source_failures_total x")).toBeUndefined();
});

test("a poll that is due while another is under way does nothing", async () => {
  const { deps, source, asked } = await world({ questions: () => [question("/a")] });
  const polls = createSourcePolls(deps, source);
  const first = polls.poll();
  expect(await polls.poll()).toBeNull();
  await first;
  expect(asked).toHaveLength(1);
});
