import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { configureSource } from "../../src/core/signal-source.ts";
import type { ArizeApiSettings } from "../../src/doctor/arize-api.ts";
import { diagnose, type DoctorSettings } from "../../src/doctor/doctor.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { phoenix } from "../../src/sources/phoenix.ts";
import { fakeArize, monitorId } from "../fakes/arize/arize.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const NOTHING: DoctorSettings = {
  local: { data: "/nowhere", flags: "/nowhere/flags.json", hasLaunchDarklyKey: true },
  providers: [],
  arizeApi: null,
  arizeOtlp: null,
  phoenix: null,
};
const found = async (
  settings: Partial<DoctorSettings>,
  fetched: typeof fetch = fetch,
  { now = Date.now, timeoutMs = 10_000 }: { now?: () => number; timeoutMs?: number } = {},
): Promise<Record<string, Finding>> => {
  const deps = { fetch: (url: string, init: RequestInit) => fetched(url, init), clock: { now }, timeoutMs };
  const findings = await diagnose(deps, { ...NOTHING, ...settings });
  return Object.fromEntries(findings.map((finding) => [finding.id, finding]));
};
const answers =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): typeof fetch =>
  () =>
    Promise.resolve(new Response(JSON.stringify(body), { status, headers }));

async function arizeAccount() {
  const server = await fakeArize({ annotationConfigs: ["accuracy"] });
  closers.push(server.close);
  const api: ArizeApiSettings = {
    url: server.url,
    apiKey: "arize-key",
    spaceId: server.space.id,
    projectId: null,
    graphqlUrl: server.graphqlUrl,
    developerKey: null,
    hasWebhookSecret: true,
  };
  const otlp = { otlpUrl: server.otlpUrl, apiKey: "arize-key", spaceId: server.space.id, project: "segue" };
  return { server, api, otlp };
}

describe("an Arize account", () => {
  test("that is set up is well, and nothing is written there", async () => {
    const { server, api, otlp } = await arizeAccount();
    server.set({ id: monitorId(1), name: "seg|support|prime|accuracy", status: "CLEARED" });
    const findings = await found({ arizeApi: api, arizeOtlp: otlp });
    for (const id of ["arize-otlp", "arize-monitors", "arize-annotation-configs", "arize-webhook"])
      expect(findings[id]).toMatchObject({ status: "ok", fix: null });
    expect(findings["arize-graphql"]).toMatchObject({ status: "skipped" });
    expect(server.received()).toBe(0);
    expect(server.calls.map(({ method }) => method)).toEqual(["POST", "GET", "GET"]);
  });

  test("with a developer key lets its space be seen, and no other", async () => {
    const { api } = await arizeAccount();
    const graphql = async (over: Partial<ArizeApiSettings>) =>
      (await found({ arizeApi: { ...api, developerKey: "arize-developer-key", ...over } }))["arize-graphql"];
    expect(await graphql({})).toMatchObject({ status: "ok" });
    expect(await graphql({ developerKey: "arize-key" })).toMatchObject({
      status: "fail",
      fix: expect.stringContaining("DEVELOPER_KEY"),
    });
    expect(await graphql({ spaceId: btoa("Space:99") })).toMatchObject({
      status: "fail",
      fix: expect.stringContaining("SPACE_ID"),
    });
    expect(await graphql({ spaceId: null })).toMatchObject({ status: "warn" });
  });

  test("with nothing of Segue's in it says what to create and to set", async () => {
    const { api } = await arizeAccount();
    const findings = await found({ arizeApi: { ...api, hasWebhookSecret: false } });
    expect(findings["arize-monitors"]).toMatchObject({
      status: "warn",
      fix: expect.stringContaining("segue monitors"),
    });
    expect(findings["arize-webhook"]).toMatchObject({ status: "warn", fix: expect.stringContaining("WEBHOOK_SECRET") });
  });

  test("with the wrong key or space says which", async () => {
    const { api, otlp } = await arizeAccount();
    const wrongKey = { apiKey: "wrong-key" };
    const findings = await found({ arizeApi: { ...api, ...wrongKey }, arizeOtlp: { ...otlp, ...wrongKey } });
    for (const id of ["arize-otlp", "arize-monitors", "arize-annotation-configs"])
      expect(findings[id]).toMatchObject({ status: "fail", fix: expect.stringContaining("SEGUE_ARIZE_API_KEY") });
    expect(JSON.stringify(findings)).not.toContain("wrong-key");
    const otherSpace = await found({ arizeOtlp: { ...otlp, spaceId: "other" } });
    expect(otherSpace["arize-otlp"]).toMatchObject({ status: "fail", fix: expect.stringContaining("SPACE_ID") });
  });

  test.each([
    { status: 403, id: "arize-monitors", fix: "MONITOR_READ" },
    { status: 404, id: "arize-monitors", fix: "without /v2" },
    { status: 422, id: "arize-monitors", fix: "global ids" },
    { status: 429, id: "arize-monitors", fix: "Try again" },
    { status: 500, id: "arize-monitors", fix: "status page" },
    { status: 403, id: "arize-annotation-configs", fix: "annotation configs" },
    { status: 500, id: "arize-otlp", fix: "SEGUE_ARIZE_PROJECT" },
    { status: 404, id: "arize-otlp", fix: "including /v1" },
    { status: 415, id: "arize-otlp", fix: "OTLP collector" },
    { status: 401, id: "arize-graphql", fix: "developer key" },
    { status: 404, id: "arize-graphql", fix: "/graphql" },
  ])("that answers $status is told apart for $id: '$fix'", async ({ status, id, fix }) => {
    const { api, otlp } = await arizeAccount();
    const settings = { arizeApi: { ...api, developerKey: "d" }, arizeOtlp: otlp };
    const finding = (await found(settings, answers(status, "no")))[id];
    expect(finding?.fix).toContain(fix);
    expect(finding?.status).toBe(status === 429 ? "warn" : "fail");
  });

  test.each([
    { status: "ok", because: "the space is seen", body: { data: { node: { id: "s", __typename: "Space" } } } },
    {
      status: "fail",
      because: "the id is that of a project",
      body: { data: { node: { id: "s", __typename: "Model" } } },
    },
    { status: "fail", because: "it is not said what the id is of", body: { data: { node: { id: "s" } } } },
    { status: "fail", because: "there is no such space for the key", body: { data: { node: null } } },
    { status: "fail", because: "it is refused", body: { data: null, errors: [{ message: "no access" }] } },
  ])("has a developer key that is $status when $because", async ({ status, body }) => {
    const { api } = await arizeAccount();
    const findings = await found({ arizeApi: { ...api, developerKey: "d" } }, answers(200, body));
    expect(findings["arize-graphql"]?.status).toBe(status);
  });
});

async function phoenixServer(options: Parameters<typeof fakePhoenix>[0] = { projects: ["segue"] }) {
  const server = await fakePhoenix(options);
  closers.push(server.close);
  const settings = (apiKey: string | null, url = server.url) => ({
    url,
    apiKey,
    project: "segue",
    source: configureSource(phoenix, { baseUrl: url, ...(apiKey === null ? {} : { apiKey }) }),
  });
  return { server, settings };
}

describe("a Phoenix", () => {
  test("that is set up is well, says its version, and is sent nothing that stays", async () => {
    const { server, settings } = await phoenixServer();
    const findings = await found({ phoenix: settings("phoenix-key") });
    for (const id of ["phoenix-read", "phoenix-otlp", "phoenix-annotations"])
      expect(findings[id]).toMatchObject({ status: "ok" });
    expect(findings["phoenix-read"]?.detail).toContain("20.3.0");
    expect(server.received()).toBe(0);
    expect(server.annotations()).toEqual([]);
  });

  test("with a viewer's key can be read, and says what cannot be written", async () => {
    const { settings } = await phoenixServer();
    const findings = await found({ phoenix: settings("phoenix-viewer-key") });
    expect(findings["phoenix-read"]).toMatchObject({ status: "ok" });
    expect(findings["phoenix-annotations"]).toMatchObject({ status: "warn", fix: expect.stringContaining("member") });
  });

  test("with the wrong key, or without the project, says so", async () => {
    const { settings } = await phoenixServer({});
    const wrong = await found({ phoenix: settings("wrong-key") });
    expect(wrong["phoenix-read"]).toMatchObject({ status: "fail", fix: expect.stringContaining("PHOENIX_API_KEY") });
    expect(JSON.stringify(wrong)).not.toContain("wrong-key");
    const noProject = await found({ phoenix: settings("phoenix-key") });
    expect(noProject["phoenix-read"]).toMatchObject({ status: "fail", detail: expect.stringContaining("no project") });
  });
});

const provider = {
  id: "openai",
  kind: "openai",
  baseUrl: "https://api.openai.test/v1",
  apiKeyEnv: "OPENAI_API_KEY",
  apiKey: "sk",
};

test("an answer without an end is not read into memory, and is not what is expected", async () => {
  const seen = { pieces: 0, cancelled: false };
  const endless: typeof fetch = () => {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => {
        seen.pieces += 1;
        if (seen.pieces > 1000) controller.close();
        else controller.enqueue(new Uint8Array(1 << 20).fill(32));
      },
      cancel: () => {
        seen.cancelled = true;
      },
    });
    return Promise.resolve(new Response(body));
  };
  const { api } = await arizeAccount();
  const findings = await found({ arizeApi: { ...api, developerKey: "d" } }, endless);
  expect(findings["arize-monitors"]).toMatchObject({ status: "fail", detail: expect.stringContaining("not what") });
  expect(seen.cancelled).toBe(true);
  // Four MiB of each of three answers, and what was read ahead.
  expect(seen.pieces).toBeLessThanOrEqual(21);
});

test("whoever sets no developer key is told of everything that needs one", async () => {
  const { api } = await arizeAccount();
  const { detail } = (await found({ arizeApi: api }))["arize-graphql"]!;
  expect(detail).toContain("segue monitors");
  expect(detail).toContain("where REST does not have them");
});

describe("what cannot be reached", () => {
  const failing =
    (code: string): typeof fetch =>
    () =>
      Promise.reject(Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error(code), { code }) }));
  test.each([
    { code: "ENOTFOUND", says: "not known to DNS" },
    { code: "ECONNREFUSED", says: "nothing takes connections" },
    { code: "SELF_SIGNED_CERT_IN_CHAIN", says: "no secure connection" },
    { code: "ERR_TLS_CERT_ALTNAME_INVALID", says: "no secure connection" },
    { code: "UND_ERR_CONNECT_TIMEOUT", says: "does not answer in time" },
    { code: "ECONNRESET", says: "broke (ECONNRESET)" },
  ])("because of $code is told apart: $says", async ({ code, says }) => {
    const findings = await found({ providers: [provider] }, failing(code));
    expect(findings["provider-openai"]).toMatchObject({ status: "fail", detail: expect.stringContaining(says) });
  });

  test("because nobody listens, or nobody answers, is told apart on a real network", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const baseUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
    const hanging = await found({ providers: [{ ...provider, baseUrl }] }, fetch, { timeoutMs: 100 });
    expect(hanging["provider-openai"]?.detail).toContain("does not answer in time");
    silent.closeAllConnections();
    silent.close();
    await once(silent, "close");
    const refused = await found({ providers: [{ ...provider, baseUrl }] });
    expect(refused["provider-openai"]?.detail).toContain("nothing takes connections");
  });
});

describe("a provider", () => {
  test.each([
    { status: 200, is: "ok" },
    { status: 401, is: "fail" },
    { status: 404, is: "warn" },
    { status: 429, is: "warn" },
    { status: 503, is: "fail" },
  ])("that answers $status is $is", async ({ status, is }) => {
    const findings = await found({ providers: [provider] }, answers(status));
    expect(findings["provider-openai"]?.status).toBe(is);
  });

  test("is not asked without its key, and one of LangChain not at all", async () => {
    let asked = 0;
    const fetched: typeof fetch = () => ((asked += 1), Promise.reject(new Error("not asked")));
    const langchain = { ...provider, id: "bedrock", kind: "langchain", apiKeyEnv: null, apiKey: null, baseUrl: null };
    const findings = await found({ providers: [{ ...provider, apiKey: null }, langchain] }, fetched);
    expect(findings["provider-openai"]).toMatchObject({ status: "fail", fix: "Set OPENAI_API_KEY." });
    expect(findings["provider-bedrock"]).toMatchObject({ status: "skipped" });
    expect(asked).toBe(0);
  });

  test("is given its key in the header that its wire asks for", async () => {
    const sent: unknown[] = [];
    const fetched: typeof fetch = (_url, init) => (sent.push(init?.headers), Promise.resolve(new Response("{}")));
    await found({ providers: [provider, { ...provider, id: "anthropic", kind: "anthropic" }] }, fetched);
    expect(sent).toEqual([{ authorization: "Bearer sk" }, { "x-api-key": "sk", "anthropic-version": "2023-06-01" }]);
  });
});

describe("the clock", () => {
  const now = Date.parse("2026-09-01T10:00:00.500Z");
  const provider = { id: "p", kind: "openai", baseUrl: "http://p.test/v1", apiKeyEnv: null, apiKey: null };
  test.each([
    { ahead: 2, is: "ok" },
    { ahead: 31, is: "warn" },
    { ahead: -31, is: "warn" },
    { ahead: 301, is: "fail" },
  ])("that is $ahead s wrong is $is", async ({ ahead, is }) => {
    const date = new Date(now - 500 - ahead * 1000).toUTCString();
    const findings = await found({ providers: [provider] }, answers(200, {}, { date }), { now: () => now });
    expect(findings.clock).toMatchObject({
      status: is,
      detail: expect.stringContaining(ahead > 0 ? "ahead" : "behind"),
    });
  });

  test("is not judged where nobody told the time", async () =>
    expect((await found({})).clock).toMatchObject({ status: "skipped" }));
});

describe("this machine", () => {
  async function folder() {
    const data = await mkdtemp(join(tmpdir(), "segue-doctor-"));
    closers.push(() => rm(data, { recursive: true, force: true }));
    return data;
  }
  const local = (data: string, over = {}) =>
    found({ local: { data, flags: join(data, "flags.json"), hasLaunchDarklyKey: false, ...over } });

  test("without a data directory, a ledger or flags says how to make them", async () => {
    expect((await found({})).data).toMatchObject({ status: "fail", fix: expect.stringContaining("segue init") });
    const findings = await local(await folder());
    expect(findings.data).toMatchObject({ status: "fail", detail: expect.stringContaining("no ledger") });
    expect(findings.flags).toMatchObject({ status: "warn" });
  });

  test("with all of it is well", async () => {
    const data = await folder();
    await writeFile(join(data, "ledger.db"), "");
    await writeFile(join(data, "flags.json"), "{}");
    const findings = await local(data);
    expect(["ok", "warn"]).toContain(findings.data?.status);
    expect(findings.flags).toMatchObject({ status: "ok" });
  });

  test("with flags that are not JSON says where", async () => {
    const data = await folder();
    await writeFile(join(data, "flags.json"), "{");
    expect((await local(data)).flags).toMatchObject({ status: "fail", detail: expect.stringContaining("not JSON") });
  });

  test.skipIf(process.getuid?.() === 0)("that may not be written says so", async () => {
    const data = await folder();
    await chmod(data, 0o500);
    expect((await local(data)).data).toMatchObject({ status: "fail", detail: expect.stringContaining("written") });
  });
});

test("what is not configured is skipped, with what to set", async () => {
  const findings = await found({});
  for (const id of ["arize-otlp", "arize-monitors", "phoenix-read"])
    expect(findings[id]).toMatchObject({ status: "skipped", fix: expect.stringContaining("SEGUE_") });
});
