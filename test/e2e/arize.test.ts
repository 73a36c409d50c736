import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeArize, hmacHeaders, monitorId } from "../fakes/arize/arize.ts";
import { publishChat } from "./chat-policy.ts";
import { createWorkspace, until, type SegueServer, type Workspace } from "./segue-process.ts";

const SECRET = "whsec_0123456789abcdef";
let arize: Awaited<ReturnType<typeof fakeArize>>;
let home: Workspace;
let server: SegueServer;

beforeAll(async () => {
  arize = await fakeArize();
  home = createWorkspace({
    SEGUE_ARIZE_URL: arize.url,
    SEGUE_ARIZE_API_KEY: "arize-key",
    SEGUE_ARIZE_WEBHOOK_SECRET: SECRET,
    SEGUE_ARIZE_POLL_MS: "3600000",
  });
  await publishChat(home);
  server = await home.serve();
});
afterAll(async () => {
  await home?.remove();
  await arize?.close();
});

const ring = (content: unknown, key: string): Promise<Response> => {
  const body = JSON.stringify(content);
  const headers = hmacHeaders(body, { timestamp: Math.floor(Date.now() / 1000), key });
  return fetch(`${server.url}/webhooks/arize`, { method: "POST", headers, body });
};
const signals = async (): Promise<unknown[]> => (await server.ask("GET", "/api/signals")).body.signals;

describe("an Arize monitor", () => {
  test("that rings the bell is read, and moves its segment by what it says itself", async () => {
    const monitor = {
      id: monitorId(1),
      name: "seg|chat|plain|quality",
      status: "TRIGGERED",
      evaluated_at: new Date().toISOString(),
      latest_computed_value: 0.2,
    };
    arize.set(monitor);
    expect((await ring({ monitor: monitor.id, status: "CLEARED" }, SECRET)).status).toBe(200);
    await until("the monitor's word is recorded", async () => (await signals()).length > 0);
    expect(await signals()).toMatchObject([
      { source: "arize", policy: "chat", segment: "plain", metric: "quality", status: "degraded" },
    ]);
    expect((await server.ask("GET", "/api/segments/chat/plain")).body.health).toBe("degraded");
  });

  test("is not believed when the signature is wrong", async () => {
    expect((await ring({}, "whsec_another")).status).toBe(401);
  });
});
