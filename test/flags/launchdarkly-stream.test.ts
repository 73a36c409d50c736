import { afterEach, expect, test } from "vitest";
import { launchdarklyFlags } from "../../src/flags/launchdarkly.ts";
import type { Flags, Log } from "../../src/ports.ts";
import { context, flagsContract, settled, type FlagValues } from "../contracts/flags.ts";
import { fakeLaunchDarkly, type FlagJson } from "../fakes/launchdarkly.ts";

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function fake(options: Parameters<typeof fakeLaunchDarkly>[0] = {}) {
  const service = await fakeLaunchDarkly(options);
  closers.push(service.close);
  return service;
}

async function open(options: object): Promise<Flags> {
  const flags = await launchdarklyFlags({ log: silent, waitMs: 5000, sdkKey: "sdk-test", ...options });
  closers.push(flags.close);
  return flags;
}

const flag = (key: string, value: unknown, version: number, over: Partial<FlagJson> = {}): FlagJson => ({
  key,
  version,
  on: true,
  variations: [value],
  fallthrough: { variation: 0 },
  salt: "s",
  ...over,
});

flagsContract("LaunchDarkly stream", async (values) => {
  const service = await fake();
  let version = 0;
  const change = ({ fallback, automation, mode }: FlagValues) => {
    version += 1;
    if (fallback !== undefined) service.patch(flag("segue-fallback", fallback, version));
    if (automation !== undefined) service.patch(flag("segue-automation", automation, version));
    if (mode !== undefined) service.patch(flag("segue-mode", mode, version));
  };
  change(values);
  return { flags: await open(service.options), change };
});

test("a patch flips the next evaluation", async () => {
  const service = await fake();
  service.patch(flag("segue-fallback", "", 1));
  const flags = await open(service.options);
  expect(flags.fallback(context())).toEqual({ value: "", reason: "FALLTHROUGH" });
  service.patch(flag("segue-fallback", "baseline", 2));
  await settled(flags, () => flags.fallback(context()).value === "baseline");
});

test("LaunchDarkly being down at the start leaves defaults and says not ready; its return is taken up", async () => {
  const { port, options, close } = await fakeLaunchDarkly();
  await close();
  const flags = await open({ ...options, waitMs: 50 });
  expect(flags.fallback(context()).value).toBe("");
  expect(flags.automation("support", "prime").value).toBe(true);
  expect(flags.mode("support", "prime").value).toBe("");
  expect(flags.status()).toMatchObject({ ready: false, detail: expect.stringContaining("defaults are served") });
  const service = await fake({ port });
  service.patch(flag("segue-fallback", "small", 1));
  await settled(flags, () => flags.fallback(context()).value === "small");
  expect(flags.status().ready).toBe(true);
});

test("LaunchDarkly going away keeps the last known values", async () => {
  const service = await fakeLaunchDarkly();
  service.patch(flag("segue-fallback", "small", 1));
  const flags = await open(service.options);
  await service.close();
  expect(flags.fallback(context()).value).toBe("small");
});

test("a refused SDK key is named in the status", async () => {
  const service = await fake({ sdkKey: "another" });
  const flags = await open({ ...service.options, sdkKey: "sdk-test" });
  expect(flags.status()).toMatchObject({ ready: false, detail: expect.stringContaining("SDK key") });
});

test("a flag of the wrong type is ignored, with the reason", async () => {
  const service = await fake();
  service.patch(flag("segue-automation", "false", 1));
  const flags = await open(service.options);
  expect(flags.automation("support", "prime")).toEqual({ value: true, reason: "ERROR:WRONG_TYPE" });
});
