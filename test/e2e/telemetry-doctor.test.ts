import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fakeArize, monitorId } from "../fakes/arize/arize.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";
import { createWorkspace, type Workspace } from "./segue-process.ts";
import { publishShop, shopPolicy } from "./telemetry-home.ts";

let arize: Awaited<ReturnType<typeof fakeArize>>;
let phoenix: Awaited<ReturnType<typeof fakePhoenix>>;
let models: Server;
let home: Workspace;
let well: Record<string, string>;

beforeAll(async () => {
  arize = await fakeArize({ annotationConfigs: ["resolution"] });
  arize.set({ id: monitorId(1), name: "seg|shop|eu|resolution", status: "CLEARED" });
  phoenix = await fakePhoenix({ projects: ["support"] });
  models = createServer((_, response) => response.setHeader("content-type", "application/json").end('{"data":[]}'));
  await new Promise<void>((resolve) => models.listen(0, "127.0.0.1", resolve));
  well = {
    OPENAI_BASE_URL: `http://127.0.0.1:${(models.address() as AddressInfo).port}/v1`,
    OPENAI_API_KEY: "sk-test",
    SEGUE_ARIZE_URL: arize.url,
    SEGUE_ARIZE_API_KEY: "arize-key",
    SEGUE_ARIZE_SPACE_ID: arize.space.id,
    SEGUE_ARIZE_PROJECT_ID: "TW9kZWw6MTIz",
    SEGUE_ARIZE_OTLP_URL: arize.otlpUrl,
    SEGUE_ARIZE_GRAPHQL_URL: arize.graphqlUrl,
    SEGUE_ARIZE_DEVELOPER_KEY: "arize-developer-key",
    SEGUE_ARIZE_WEBHOOK_SECRET: "whsec_0123456789abcdef",
    SEGUE_PHOENIX_URL: phoenix.url,
    SEGUE_PHOENIX_API_KEY: "phoenix-key",
    SEGUE_PHOENIX_PROJECT: "support",
  };
  home = createWorkspace(well);
  await publishShop(home, shopPolicy([{ id: "eu" }]));
});
afterAll(async () => {
  await home?.remove();
  await arize?.close();
  await phoenix?.close();
  await new Promise((resolve) => models.close(resolve));
});

interface Finding {
  readonly id: string;
  readonly status: string;
  readonly detail: string;
  readonly fix: string | null;
}

/** What `segue doctor --json` finds where the environment is another. */
async function examined(changed: Readonly<Record<string, string>>) {
  Object.assign(home.environment, well, changed);
  const ran = await home.run("doctor", "--json");
  return { code: ran.code, findings: (ran.json() as { findings: Finding[] }).findings };
}

const NOWHERE = "http://127.0.0.1:1";

describe("segue doctor", () => {
  test("finds nothing wrong where everything is well, and leaves nothing behind", async () => {
    const { code, findings } = await examined({});
    expect(findings.filter(({ status }) => status !== "ok")).toEqual([]);
    expect([code, findings.length]).toEqual([0, 12]);
    expect([arize.spans(), arize.annotations(), phoenix.spans(), phoenix.annotations()]).toEqual([[], [], [], []]);
  });

  test.each<{ changed: Record<string, string>; wrong: string[]; fix: string }>([
    {
      changed: { SEGUE_ARIZE_API_KEY: "wrong-key-1" },
      wrong: ["arize-otlp", "arize-monitors", "arize-annotation-configs"],
      fix: "SEGUE_ARIZE_API_KEY",
    },
    {
      changed: { SEGUE_ARIZE_DEVELOPER_KEY: "wrong-key-1" },
      wrong: ["arize-graphql"],
      fix: "SEGUE_ARIZE_DEVELOPER_KEY",
    },
    {
      changed: { SEGUE_ARIZE_URL: NOWHERE },
      wrong: ["arize-monitors", "arize-annotation-configs"],
      fix: "SEGUE_ARIZE_URL",
    },
    { changed: { SEGUE_ARIZE_OTLP_URL: `${NOWHERE}/v1` }, wrong: ["arize-otlp"], fix: "SEGUE_ARIZE_OTLP_URL" },
    { changed: { SEGUE_ARIZE_PROJECT_ID: "TW9kZWw6OTk5" }, wrong: ["arize-monitors"], fix: "monitors" },
    {
      changed: { SEGUE_PHOENIX_API_KEY: "wrong-key-1" },
      wrong: ["phoenix-read", "phoenix-otlp", "phoenix-annotations"],
      fix: "SEGUE_PHOENIX_API_KEY",
    },
    {
      changed: { SEGUE_PHOENIX_API_KEY: "phoenix-viewer-key" },
      wrong: ["phoenix-otlp", "phoenix-annotations"],
      fix: "member",
    },
    {
      changed: { SEGUE_PHOENIX_URL: NOWHERE },
      wrong: ["phoenix-read", "phoenix-otlp", "phoenix-annotations"],
      fix: "SEGUE_PHOENIX_URL",
    },
    { changed: { SEGUE_PHOENIX_PROJECT: "missing" }, wrong: ["phoenix-read"], fix: "" },
    { changed: { OPENAI_BASE_URL: `${NOWHERE}/v1` }, wrong: ["provider-openai"], fix: "OPENAI_BASE_URL" },
  ])("names $wrong where $changed, and what to do", async ({ changed, wrong, fix }) => {
    const { findings } = await examined(changed);
    const found = findings.filter(({ status }) => status === "fail" || status === "warn");
    expect(found.map(({ id }) => id).sort()).toEqual([...wrong].sort());
    for (const finding of found) expect(finding.fix).toContain(fix);
    const secrets = Object.entries({ ...well, ...changed }).flatMap(([name, value]) =>
      /KEY|SECRET/.test(name) ? [value] : [],
    );
    for (const secret of secrets) expect(JSON.stringify(findings)).not.toContain(secret);
  });
});
