import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWorkspace, until, type Workspace } from "../e2e/segue-process.ts";
import { arizeWorld, system, type HubWorld } from "./hub-world.ts";

const policyWith = (variants: string): string => `policy: chat
attributes:
  region: { type: string, trust: key }
variants:
${variants}default: one
`;
const labelled =
  "  one: { provider: openai, model: gpt, prompt: { hub: arize, prompt: support, label: production } }\n";
const second = (version: string): string =>
  `  two: { provider: openai, model: gpt, prompt: { hub: arize, prompt: support, version: "${version}" } }\n`;

/** Each test goes on where the one before it ended. */
describe("a policy with a prompt of a hub", () => {
  let hub: HubWorld;
  let home: Workspace;
  let versions: readonly [string, string];
  beforeAll(async () => {
    hub = await arizeWorld();
    home = createWorkspace({ SEGUE_ARIZE_URL: hub.url, SEGUE_ARIZE_API_KEY: "arize-key" });
    versions = [hub.add("support", system("Be kind in {{region}}.")), hub.add("support", system("Be brief."))];
    hub.label(versions[0], "production");
    home.write("policies/chat.yaml", policyWith(labelled));
    // For its keys; the policies are there.
    await home.run("init");
  });
  afterAll(async () => {
    await home.remove();
    await hub.close();
  });

  test("cannot be published while the hub is down, and the fault says why", async () => {
    const lift = hub.fail(503);
    for (const command of ["lint", "apply"]) {
      const { code, stdout } = await home.run(command);
      expect([command, code]).toEqual([command, 1]);
      expect(stdout).toMatch(/chat\.yaml:5:\d+ error prompt-hub\n.*arize answered 503/);
    }
    expect((await home.run("apply", "--offline")).code).toBe(1);
    lift();
  });

  test("is planned and applied with the label's version pinned", async () => {
    expect((await home.run("lint")).code).toBe(0);
    expect((await home.run("plan", "--out", "plan.json")).code).toBe(2);
    const applied = await home.run("apply", "plan.json", "--json");
    expect(applied.json()).toMatchObject({ published: ["chat"] });
    expect((await home.run("apply", "--json")).json()).toMatchObject({ published: [], unchanged: ["chat"] });
  });

  test("is served, and after a restart again, while the hub is down", async () => {
    const lift = hub.fail("cut");
    for (const _start of [1, 2]) {
      const server = await home.serve();
      const before = hub.requests.length;
      const { body } = await server.ask("GET", "/api/policies");
      const { variants } = body.policies[0].policy;
      expect(Object.values(body.policies[0].prompts)).toMatchObject([{ text: "Be kind in {{region}}." }]);
      expect(variants.one.promptSource).toMatchObject({ label: "production", version: versions[0] });
      const decision = await server.ask("POST", "/v1/decisions", { body: { model: "chat", attributes: {} } });
      expect(decision.body).toMatchObject({ variant: { prompt: variants.one.prompt } });
      expect(hub.requests.length).toBe(before);
      await server.stop();
    }
    lift();
  });

  test("keeps its pin offline while the hub is down, and says so", async () => {
    const lift = hub.fail("cut");
    const { code, stdout } = await home.run("plan", "--offline");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/keeps version '.*' as published[^]*Nothing to publish/)]);
    expect((await home.run("plan")).stdout).toContain("as published, with --offline");
    lift();
  });

  test("stays what it is when the label moves: the plan says so, and a new variant takes the new version", async () => {
    hub.label(versions[1], "production");
    const { code, stdout } = await home.run("plan");
    expect(code).toBe(0);
    expect(stdout).toContain(`moved from version '${versions[0]}' to '${versions[1]}'`);
    home.write("policies/chat.yaml", policyWith(labelled + second(versions[1])));
    expect((await home.run("plan")).code).toBe(2);
    expect((await home.run("apply", "--json")).json()).toMatchObject({ published: ["chat"] });
  });

  test("a plan is refused once a label that it rests on has moved", async () => {
    const third =
      "  three: { provider: openai, model: gpt, prompt: { hub: arize, prompt: support, label: staging } }\n";
    home.write("policies/chat.yaml", policyWith(labelled + second(versions[1]) + third));
    hub.label(versions[0], "staging");
    expect((await home.run("plan", "--out", "plan.json")).code).toBe(2);
    hub.label(versions[1], "staging");
    const { code, stderr, stdout } = await home.run("apply", "plan.json");
    expect(code).toBe(1);
    expect(stdout + stderr).toContain("or a label that they name, changed");
  });

  test("is shown by status once its label is on another text", async () => {
    home.environment.SEGUE_PROMPTS_POLL_MS = "20";
    const version = hub.add("support", system("Be wise."));
    hub.label(version, "production");
    const server = await home.serve();
    const line = await until("the label's new place is shown", async () =>
      (await home.run("status")).stdout.split("\n").find((each) => each.includes("moved to version")),
    );
    expect(line).toBe(
      `chat: label 'production' of arize prompt 'support' moved to version '${version}', which is not published; variant 'one' serves what it did`,
    );
    await server.stop();
  });

  test("does not hold up the end of the server while the hub hangs", async () => {
    const lift = hub.fail("hang");
    const before = hub.requests.length;
    const server = await home.serve();
    await until("the hub is asked", () => hub.requests.length > before);
    const began = performance.now();
    expect(await server.stop()).toBe(0);
    // Its own limit for an answer is ten seconds.
    expect(performance.now() - began).toBeLessThan(5000);
    lift();
  });
});
