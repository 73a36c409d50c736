import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { launchdarklyFlags } from "../../src/flags/launchdarkly.ts";
import type { Flags, Log } from "../../src/ports.ts";
import { context, flagsContract, settled, type FlagValues } from "../contracts/flags.ts";

let folder: string;
let file: string;
const opened: Flags[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "segue-flags-"));
  file = join(folder, "flags.json");
});
afterEach(async () => {
  for (const flags of opened.splice(0)) await flags.close();
  await rm(folder, { recursive: true, force: true });
});

function recordingLog() {
  const lines: string[] = [];
  const heard = new Set<() => void>();
  const add = (message: string) => {
    lines.push(message);
    for (const listener of heard) listener();
  };
  const log: Log = { info: add, warn: add, error: add };
  const saying = (part: string) =>
    new Promise<void>((resolve) => {
      const look = () => lines.some((line) => line.includes(part)) && resolve();
      heard.add(look);
      look();
    });
  return { log, lines, saying };
}

const quiet = recordingLog().log;
// The poll is off unless a test is about it, so that what is seen was seen by watching.
const NEVER = 2 ** 30;
async function open(log: Log = quiet, over: { pollMs?: number; graceMs?: number } = {}): Promise<Flags> {
  const flags = await launchdarklyFlags({ file, log, pollMs: NEVER, graceMs: 1, ...over });
  opened.push(flags);
  return flags;
}

const text = ({ fallback, automation, mode }: FlagValues) =>
  JSON.stringify({ flagValues: { "segue-fallback": fallback, "segue-automation": automation, "segue-mode": mode } });
const write = (values: FlagValues) => writeFile(file, text(values));
const replace = async (content: string) => {
  await writeFile(`${file}.swp`, content);
  await rename(`${file}.swp`, file);
};
const fallbackOf = (flags: Flags, over = {}) => flags.fallback(context(over)).value;
const is = (flags: Flags, value: string) => settled(flags, () => fallbackOf(flags) === value);

flagsContract("LaunchDarkly file", async (values) => {
  await write(values);
  return { flags: await open(), change: write };
});

const ruled = (flag: Record<string, unknown>) =>
  JSON.stringify({
    flags: {
      "segue-fallback": {
        key: "segue-fallback",
        version: 1,
        on: true,
        variations: ["", "small"],
        offVariation: 0,
        fallthrough: { variation: 0 },
        salt: "a1",
        ...flag,
      },
    },
  });
const inKind = (contextKind: string, attribute: string, value: string) => ({
  id: "r1",
  variation: 1,
  clauses: [{ contextKind, attribute, op: "in", values: [value], negate: false }],
});

test.each([
  { rule: inKind("segment", "key", "prime"), matches: {}, misses: { segment: "composite" } },
  { rule: inKind("policy", "key", "support"), matches: {}, misses: { policy: "billing" } },
  { rule: inKind("segment", "policy", "support"), matches: {}, misses: { policy: "billing" } },
  { rule: inKind("request", "region", "EU"), matches: {}, misses: { attributes: { region: "US" } } },
  {
    rule: inKind("request", "attribute_name", "Ada"),
    matches: { attributes: { name: "Ada" } },
    misses: { attributes: { name: "Bob" } },
  },
  // printf user-1 | sha256sum | cut -c1-16
  { rule: inKind("unit", "key", "c6c289e49e9c05b2"), matches: {}, misses: { unit: "user-2" } },
])(
  "a rule on the kind and attribute of $rule.clauses.0 forces only what it names",
  async ({ rule, matches, misses }) => {
    await writeFile(file, ruled({ rules: [rule] }));
    const flags = await open();
    expect(flags.fallback(context(matches))).toEqual({ value: "small", reason: "RULE_MATCH" });
    expect(flags.fallback(context(misses))).toEqual({ value: "", reason: "FALLTHROUGH" });
    expect(flags.fallback(context({ attributes: {}, unit: null, segment: "x", policy: "y" })).value).toBe("");
  },
);

test("a percentage rollout by unit is sticky and near its share", async () => {
  const rollout = {
    kind: "rollout",
    contextKind: "unit",
    variations: [
      { variation: 0, weight: 70_000 },
      { variation: 1, weight: 30_000 },
    ],
  };
  await writeFile(file, ruled({ fallthrough: { rollout } }));
  const flags = await open();
  const units = Array.from({ length: 4000 }, (_, i) => `user-${i}`);
  const forced = units.filter((unit) => fallbackOf(flags, { unit }) === "small").length;
  expect(forced / units.length).toBeGreaterThan(0.27);
  expect(forced / units.length).toBeLessThan(0.33);
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.constantFrom("EU", "US"), (unit, region) => {
      expect(fallbackOf(flags, { unit, attributes: { region } })).toBe(fallbackOf(flags, { unit, segment: "other" }));
    }),
    { numRuns: 50 },
  );
});

test.each([
  { how: "written in place", edit: (values: FlagValues) => write(values) },
  { how: "replaced by rename, as editors do", edit: (values: FlagValues) => replace(text(values)) },
])("a file that is $how is noticed every time", async ({ edit }) => {
  await write({ fallback: "" });
  const flags = await open();
  for (const value of ["one", "two", "three", ""]) {
    await edit({ fallback: value });
    await is(flags, value);
  }
});

test("a hundred rapid edits, in place and by rename, end on the last value", async () => {
  await write({ fallback: "" });
  const flags = await open();
  for (let i = 1; i <= 100; i += 1) {
    if (i % 2 === 0) await write({ fallback: `v${i}` });
    else await replace(text({ fallback: `v${i}` }));
  }
  await is(flags, "v100");
});

test("an edited rule whose version was not raised acts all the same", async () => {
  await writeFile(file, ruled({}));
  const flags = await open();
  await writeFile(file, ruled({ fallthrough: { variation: 1 } }));
  await is(flags, "small");
});

test("a missing file at the start serves defaults, says not ready, and acts when it appears", async () => {
  const { log, lines, saying } = recordingLog();
  const flags = await open(log);
  expect(fallbackOf(flags)).toBe("");
  expect(flags.automation("support", "prime").value).toBe(true);
  expect(flags.status()).toMatchObject({ ready: false, detail: expect.stringContaining("ENOENT") });
  await saying("ENOENT");
  await write({ fallback: "small" });
  await is(flags, "small");
  expect(flags.status()).toMatchObject({ ready: true, detail: "flags are current" });
  expect(lines.filter((line) => line.includes("ENOENT"))).toHaveLength(1);
});

test.each([
  { because: "cut off in the middle", content: '{"flagValues":{"segue-fallback":"sm', says: "not JSON" },
  { because: "empty", content: "", says: "empty" },
  { because: "not an object", content: "[]", says: "expected object" },
  { because: "misspelt at the top", content: '{"flagvalues":{"segue-fallback":""}}', says: "flagvalues" },
  { because: "of the wrong type", content: '{"flagValues":{"segue-automation":"false"}}', says: "must be a boolean" },
  { because: "pointing at no variation", content: ruled({ fallthrough: { variation: 7 } }), says: "no variation 7" },
  { because: "without variations", content: ruled({ variations: [] }), says: "variations" },
])("a file that is $because keeps the last known values, says so and is logged once", async ({ content, says }) => {
  const { log, lines, saying } = recordingLog();
  await write({ fallback: "small", automation: false });
  const flags = await open(log);
  await writeFile(file, content);
  await saying(says);
  await replace(content);
  await replace(content);
  expect(fallbackOf(flags)).toBe("small");
  expect(flags.automation("support", "prime").value).toBe(false);
  expect(flags.status()).toMatchObject({ ready: true, detail: expect.stringContaining(says) });
  await write({ fallback: "large" });
  await is(flags, "large");
  expect(flags.status().detail).toBe("flags are current");
  expect(lines.filter((line) => line.includes(says))).toHaveLength(1);
});

test("a deleted file keeps the last known values, and its return is noticed", async () => {
  const { log, saying } = recordingLog();
  await write({ fallback: "small" });
  const flags = await open(log);
  await rm(file);
  await saying("ENOENT");
  expect(fallbackOf(flags)).toBe("small");
  await write({ fallback: "large" });
  await is(flags, "large");
});

test("a folder that appears later is found by the poll", async () => {
  await rm(folder, { recursive: true });
  const flags = await open(quiet, { pollMs: 5 });
  expect(flags.status().ready).toBe(false);
  await mkdir(folder);
  await write({ fallback: "small" });
  await is(flags, "small");
});

test("an unknown mode is warned of once, however often it is asked for", async () => {
  const { log, lines } = recordingLog();
  await write({ mode: "turbo" });
  const flags = await open(log);
  for (let i = 0; i < 5; i += 1) flags.mode("support", "prime");
  expect(lines.filter((line) => line.includes("'turbo'"))).toHaveLength(1);
});
