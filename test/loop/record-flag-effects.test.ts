import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileTable } from "../../src/core/table.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { recordFlagEffects } from "../../src/loop/record-flag-effects.ts";
import { policy, published, signalWorld } from "../fakes/signal-world.ts";

async function world() {
  const base = await signalWorld();
  const flags = staticFlags();
  const table = () => compileTable(base.controlPlane.state());
  const run = () => recordFlagEffects({ controlPlane: base.controlPlane, flags, table });
  const events = async () => (await run()).map(({ event, actor }) => ({ ...event, by: actor }));
  return { ...base, flags, run, events, effects: () => base.controlPlane.state().flagEffects };
}
const by = { kind: "flag", flag: "segue-fallback" };
const about = { policy: "support", segment: "prime", flag: "segue-fallback" };
const onPrime = (value: string) => ({
  fallback: ({ segment }: { segment: string }) => (segment === "prime" ? value : ""),
});

test("a forced variant is recorded when it starts and when it ends, by the flag", async () => {
  const { flags, events, effects } = await world();
  expect(await events()).toEqual([]);
  flags.set(onPrime("baseline"));
  expect(await events()).toEqual([
    { type: "flag.effect-started", ...about, variant: "small", value: "baseline", reason: "STATIC", by },
  ]);
  expect(effects()["support/prime"]).toMatchObject({ value: "baseline", variant: "small" });
  flags.set({ fallback: "" });
  expect(await events()).toEqual([{ type: "flag.effect-ended", ...about, by }]);
  expect(effects()).toEqual({});
});

test.each([
  { flag: "segue-automation", on: { automation: false }, off: { automation: true }, value: "false" },
  { flag: "segue-mode", on: { mode: "alert" }, off: { mode: "" }, value: "alert" },
])("$flag is recorded too, for the ledger must say why the loop acted or did not", async ({ flag, on, off, value }) => {
  const { flags, events, effects } = await world();
  flags.set(on);
  const started = await events();
  expect(started.length).toBeGreaterThan(0);
  for (const event of started)
    expect(event).toMatchObject({
      type: "flag.effect-started",
      flag,
      variant: null,
      value,
      by: { kind: "flag", flag },
    });
  expect(effects()["support/prime"]).toBeUndefined();
  expect(await events()).toEqual([]);
  flags.set(off);
  expect(await events()).toHaveLength(started.length);
  expect(effects()).toEqual({});
});

test("nothing is written when nothing changed, however often it runs", async () => {
  const { flags, run, entries } = await world();
  flags.set({ fallback: "baseline" });
  await run();
  const before = (await entries()).length;
  for (let i = 0; i < 3; i += 1) expect(await run()).toEqual([]);
  expect(await entries()).toHaveLength(before);
});

test("a changed value is an end and a start", async () => {
  const { flags, run, events } = await world();
  flags.set(onPrime("baseline"));
  await run();
  flags.set(onPrime("large"));
  expect(await events()).toMatchObject([
    { type: "flag.effect-ended" },
    { type: "flag.effect-started", variant: "large" },
  ]);
});

test("a value that names no variant of the segment forces nothing", async () => {
  const { flags, events } = await world();
  flags.set(onPrime("huge"));
  expect(await events()).toEqual([]);
});

test("the segment as a whole is asked for, not a unit of it", async () => {
  const { flags, run } = await world();
  const asked: unknown[] = [];
  flags.set({ fallback: (context) => (asked.push(context), "") });
  await run();
  expect(asked).toEqual([
    { policy: "support", segment: "prime", unit: null, attributes: {} },
    { policy: "support", segment: "default", unit: null, attributes: {} },
  ]);
});

test("the effect on a segment that is published away ends, and one whose fallback changed starts anew", async () => {
  const { flags, run, events, commit, effects } = await world();
  flags.set({ fallback: "baseline" });
  await run();
  const [prime] = policy.segments;
  await commit([published({ ...policy, segments: [{ ...prime!, fallback: "large" }] })]);
  expect(await events()).toMatchObject([{ type: "flag.effect-ended" }, { variant: "large" }]);
  await commit([published({ ...policy, segments: [] })]);
  expect(await events()).toMatchObject([{ type: "flag.effect-ended", segment: "prime" }]);
  expect(Object.keys(effects())).toEqual(["support/default"]);
});

test("whatever happens to the flag, what is recorded is what is forced", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("", "baseline", "large", "small", "huge"), { maxLength: 8 }),
      async (values) => {
        const { flags, run, effects } = await world();
        for (const value of values) {
          flags.set(onPrime(value));
          await run();
          const forced = new Map([
            ["baseline", "small"],
            ["large", "large"],
            ["small", "small"],
          ]).get(value);
          expect(effects()["support/prime"]?.variant).toBe(forced);
        }
      },
    ),
    { numRuns: 30 },
  ));
