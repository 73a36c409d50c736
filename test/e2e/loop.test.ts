import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startOpenaiUpstream, type OpenaiUpstream } from "../fakes/openai-upstream.ts";
import { publishChat } from "./chat-policy.ts";
import { askAndRate, traffic } from "./chat-traffic.ts";
import { createWorkspace, until, type SegueServer, type Workspace } from "./segue-process.ts";

let upstream: OpenaiUpstream;
let home: Workspace;
let server: SegueServer;
let key: string;
let monitor: string;

beforeAll(async () => {
  upstream = await startOpenaiUpstream();
  home = createWorkspace({ OPENAI_BASE_URL: upstream.baseUrl });
  key = await publishChat(home);
  monitor = (await home.run("keys", "create", "--machine", "monitor", "--scopes", "signal", "--json")).json().key;
  server = await home.serve();
});
afterAll(async () => {
  await home?.remove();
  await upstream?.close();
});

const segment = async (topic: string) => (await server.ask("GET", `/api/segments/chat/${topic}`)).body;
const degraded = (topic: string) =>
  server.ask("POST", "/api/signals", {
    // Not the approver's key: who raises an alarm does not decide on what follows from it.
    key: monitor,
    body: { policy: "chat", segment: topic, metric: "quality", status: "degraded", id: `bad ${topic}` },
  });
const proposal = (topic: string) => until(`a switchover of ${topic} is open`, async () => (await segment(topic)).open);
const served = async (topic: string): Promise<string> => {
  const { body } = await server.ask("POST", "/v1/decisions", { key, body: { model: "chat", attributes: { topic } } });
  return body.variant.id;
};
const events = async (type: string, topic: string) => {
  const { body } = await server.ask("GET", "/api/ledger?limit=1000");
  // oxlint-disable-next-line typescript/no-explicit-any
  return (body.entries as { event: any; actor: { kind: string } }[]).filter(
    ({ event }) => event.type === type && JSON.stringify(event).includes(topic),
  );
};

describe("with nothing but traffic and its ratings", () => {
  let id = "";

  test("a segment that degrades against its own baseline is moved, tried and confirmed, and no other segment is", async () => {
    await traffic(server, key, { topic: "plain", count: 205, grade: () => 1 });
    const healthy = await until("the baseline is known", async () => {
      const now = await segment("plain");
      return now.health === "healthy" && now;
    });
    expect(healthy.objectives[0]).toMatchObject({ against: "baseline", lossMean: 0 });

    const grade = (variant: string): number => (variant === "first" ? 0 : 1);
    const moved = await until("the second variant is confirmed", async () => {
      await askAndRate(server, key, "plain", grade);
      const now = await segment("plain");
      if (now.open !== null) id = now.open.id;
      return now.incumbent === "second" && now;
    });
    expect(moved.open).toBeNull();
    const [signal] = await events("signal.recorded", "plain");
    expect(signal?.event.signal).toMatchObject({ source: "detector:baseline", variant: "first", status: "degraded" });
    const phases = (await events("switchover.moved", id)).map(
      ({ event, actor }) => `${actor.kind} ${event.phase.kind}`,
    );
    expect(phases.at(0)).toBe("loop canary");
    expect(phases.at(-1)).toBe("loop confirmed");
    expect(await served("plain")).toBe("second");
    expect(await served("calm")).toBe("first");
  });

  test("segue status and segue switchovers show it to people", async () => {
    const status = await home.run("status");
    expect(status.stdout).toMatch(/chat\/plain +\S+ +second /);
    expect((await home.run("switchovers")).stdout).toBe("No switchover is open.\n");
    const shown = await home.run("switchovers", id);
    expect(shown.stdout).toContain(`${id}: chat/plain, first → second (degraded, quality)`);
    expect(shown.stdout).toMatch(/phase +confirmed: better at odds of/);
  });

  test("segue roll-back moves the segment back at once", async () => {
    const back = await home.run("roll-back", id, "--reason", "we know better", "--json");
    expect([back.code, back.json().phase]).toMatchObject([
      0,
      { kind: "rolledBack", because: "we know better", by: { kind: "user", id: "ada" } },
    ]);
    expect(await served("plain")).toBe("first");
    const again = await home.run("roll-back", id, "--reason", "twice", "--json");
    expect([again.code, again.json().error.code]).toEqual([1, "nothing_to_roll_back"]);
  });
});

describe("a high-risk segment", () => {
  test("waits for a person who approves exactly this change, and then splits its traffic", async () => {
    expect((await degraded("risky")).status).toBe(200);
    const open = await proposal("risky");
    expect(open).toMatchObject({
      gate: "approval",
      phase: { kind: "proposed" },
      change: { from: "first", to: "second" },
    });
    expect(await served("risky")).toBe("first");
    const approve = (digest: string, as?: string) =>
      server.ask("POST", `/api/switchovers/${open.id}/approve`, {
        body: { digest },
        ...(as === undefined ? {} : { key: as }),
      });
    const wrong = await approve("0".repeat(64));
    expect([wrong.status, wrong.body.error.code]).toEqual([409, "digest_mismatch"]);
    expect((await approve(open.digest, key)).status).toBe(403);
    const forMachine = await home.run("keys", "create", "--machine", "bot", "--scopes", "read,approve", "--json");
    expect([forMachine.code, forMachine.json().error.code]).toEqual([1, "machine_approver"]);
    expect((await segment("risky")).open.phase.kind).toBe("proposed");

    const shown = await home.run("switchovers", open.id);
    expect(shown.stdout).toContain(`segue approve ${open.id} --digest ${open.digest}`);
    const approved = await home.run("approve", open.id, "--digest", open.digest, "--json");
    expect([approved.code, approved.json().phase]).toMatchObject([
      0,
      { kind: "approved", by: { kind: "user", id: "ada" } },
    ]);
    await until("the canary begins", async () => (await segment("risky")).open.phase.kind === "canary");
    const explained = await home.run("explain", "--attributes", '{"topic":"risky"}', "--session", "s1", "--json");
    expect(explained.json()).toMatchObject({
      segment: "risky",
      reason: "SPLIT",
      switchover: { id: open.id, share: 0.1 },
    });
  });

  test("is left as it is when the proposal is rejected", async () => {
    await degraded("refused");
    const { id } = await proposal("refused");
    const rejected = await home.run("reject", id, "--reason", "the monitor is wrong", "--json");
    expect([rejected.code, rejected.json().phase]).toMatchObject([
      0,
      { kind: "rejected", because: "the monitor is wrong" },
    ]);
    const late = await home.run("approve", id, "--json");
    expect([late.code, late.json().error.code]).toEqual([1, "not_waiting"]);
    expect(await segment("refused")).toMatchObject({ incumbent: "first", open: null });
  });
});

describe("what stops the loop", () => {
  test("a frozen segment is not moved until the freeze is lifted, while others are", async () => {
    const scope = ["--policy", "chat", "--segment", "paused"];
    const frozen = await home.run("freeze", ...scope, "--reason", "a release", "--for", "3600", "--json");
    expect(frozen.json()).toMatchObject({ scope: { policy: "chat", segment: "paused" }, until: expect.any(Number) });
    await degraded("paused");
    await degraded("calm");
    await proposal("calm");
    expect(await segment("paused")).toMatchObject({ open: null, health: "degraded", frozen: "a release" });
    expect((await home.run("unfreeze", ...scope, "--reason", "released", "--json")).code).toBe(0);
    expect((await proposal("paused")).change.segment).toBe("paused");
  });

  test("segue-automation off for a segment stops the loop there, until it is on again", async () => {
    const flags = JSON.parse(home.read("flags.json"));
    const targets = (values: readonly string[]) => [{ contextKind: "segment", values, variation: 1 }];
    const automation = (segments: readonly string[]) => {
      delete flags.flagValues["segue-automation"];
      flags.flags["segue-automation"] = {
        on: true,
        variations: [true, false],
        fallthrough: { variation: 0 },
        offVariation: 0,
        contextTargets: targets(segments),
      };
      // Seen as soon as it acts, and both flags of one file act together.
      flags.flags["segue-fallback"].contextTargets = targets(segments);
      home.write("flags.json", JSON.stringify(flags));
    };
    automation(["halted"]);
    await until("the flags are read", async () => (await served("halted")) === "second");
    await degraded("halted");
    await degraded("control");
    await proposal("control");
    expect(await segment("halted")).toMatchObject({ open: null, health: "degraded" });
    automation([]);
    expect((await proposal("halted")).change.segment).toBe("halted");
  });
});
