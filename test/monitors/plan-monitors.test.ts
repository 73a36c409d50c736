import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { subjectOfNotes } from "../../src/core/monitor-subject.ts";
import { applyMonitors, type MonitorStore } from "../../src/monitors/apply-monitors.ts";
import type { DesiredMonitor } from "../../src/monitors/desired-monitors.ts";
import type { ExistingMonitor } from "../../src/monitors/existing-monitor.ts";
import { monitorPlanText } from "../../src/monitors/monitor-plan-text.ts";
import { allowedSteps, hasDrift, planMonitors, type PlanMonitorsInput } from "../../src/monitors/plan-monitors.ts";
import { asCreated, bound, desired } from "./shop-policy.ts";

const marks = { namePrefix: "seg", managedBy: "segue" };
const plan = (
  wanted: readonly DesiredMonitor[],
  existing: readonly ExistingMonitor[],
  over: Partial<PlanMonitorsInput> = {},
) =>
  planMonitors({
    desired: wanted,
    existing,
    policies: new Set(["shop"]),
    marks,
    mayDelete: false,
    mayReplace: false,
    mayAdopt: false,
    monitorsMax: 200,
    ...over,
  });
const [solved, failure] = [desired([bound("solved")])[0]!, desired([bound("failure")])[0]!];
const text = (made: ReturnType<typeof plan>) => monitorPlanText(made, { unmonitorable: [], warnings: [] });

describe("a plan", () => {
  test("creates what is not there and leaves what is as wanted", () => {
    const made = plan([solved, failure], [asCreated(solved, "m1")]);
    expect(made.steps).toMatchObject([{ kind: "create", monitor: { name: failure.name } }]);
    expect(made.unchanged).toEqual([solved.name]);
    expect(text(made)).toContain("1 to create, 1 unchanged.");
  });

  test.each([
    { field: "name", over: { name: "renamed" }, arize: "renamed", code: "seg|shop|gold|solved" },
    { field: "operator", over: { operator: "greaterThan" }, arize: "greaterThan", code: "lessThan" },
    { field: "threshold", over: { threshold: { value: 0.7 } }, arize: "0.7", code: "0.8" },
    {
      field: "threshold",
      over: { threshold: { stdDevMultiplier: 3 } },
      arize: "dynamic, 3 standard deviations",
      code: "0.8",
    },
    { field: "threshold", over: { threshold: "range" as const }, arize: "a range", code: "0.8" },
    { field: "threshold", over: { threshold: null }, arize: "none", code: "0.8" },
    { field: "window", over: { windowSeconds: 86_400 }, arize: "86400 s", code: "3600 s" },
    { field: "cadence", over: { cadenceSeconds: 3600 }, arize: "3600 s", code: "300 s" },
    { field: "cadence", over: { isScheduled: false }, arize: "none", code: "300 s" },
  ])("patches a $field of $arize, and says both sides", ({ field, over, arize, code }) => {
    const made = plan([solved], [{ ...asCreated(solved, "m1"), ...over }]);
    expect(made.steps).toMatchObject([{ kind: "patch", id: "m1", differences: [{ field, arize, code }] }]);
    expect(text(made)).toContain(`${field}: Arize ${arize} → code ${code}`);
  });

  test.each([
    { field: "aggregate", over: { aggregate: "p95" } },
    { field: "column", over: { column: "eval.solved.score" } },
    { field: "category", over: { category: "llmEval" } },
    { field: "filters", over: { filters: [] } },
    {
      field: "filters",
      over: { filters: [{ column: "attributes.metadata.segment_id", operator: "notEquals", values: ["shop|gold"] }] },
    },
  ])("makes a monitor with another $field anew, where that is allowed", ({ field, over }) => {
    const existing = [{ ...asCreated(solved, "m1"), ...over }];
    expect(plan([solved], existing).steps).toMatchObject([
      { kind: "replace", isWithheld: true, differences: [{ field }] },
    ]);
    expect(allowedSteps(plan([solved], existing))).toEqual([]);
    expect(allowedSteps(plan([solved], existing, { mayReplace: true }))).toHaveLength(1);
  });

  test.each([
    {
      because: "Arize does not tell it",
      over: { windowSeconds: null, cadenceSeconds: null, isScheduled: null, category: null, filters: null },
    },
    { because: "a double has more digits", over: { threshold: { value: 0.8 + 1e-12 } } },
    { because: "people added lines of their own", over: { notes: `${solved.notes}\nrunbook: see the wiki` } },
  ])("sees no difference where $because", ({ over }) =>
    expect(hasDrift(plan([solved], [{ ...asCreated(solved, "m1"), ...over }]))).toBe(false),
  );

  test("deletes what no objective asks for, only if it carries our mark, and only where that is allowed", () => {
    const [marked, byHand] = [asCreated(solved, "m1"), { ...asCreated(failure, "m2"), notes: "by hand" }];
    expect(plan([], [marked, byHand])).toMatchObject({
      steps: [{ kind: "delete", id: "m1", isWithheld: true }],
      leftAlone: [{ id: "m2", because: expect.stringContaining("by hand") }],
    });
    expect(allowedSteps(plan([], [marked, byHand], { mayDelete: true }))).toMatchObject([{ id: "m1" }]);
  });

  describe("of one that has our name but not our mark", () => {
    const byHand = { ...asCreated(solved, "m1"), notes: "runbook: call Ada" };
    const other = { ...byHand, column: "eval.solved.score" };

    test.each([
      { because: "alike", existing: byHand, says: "--adopt takes it over" },
      { because: "that measures something else", existing: other, says: "cannot be adopted" },
    ])("leaves it alone and makes ours beside it: $because", ({ existing, says }) => {
      const made = plan([solved], [existing], { mayDelete: true, mayReplace: true });
      expect(made.steps).toMatchObject([{ kind: "create", monitor: { name: solved.name } }]);
      expect(made.leftAlone).toMatchObject([{ id: "m1", because: expect.stringContaining(says) }]);
      expect(text(made)).toContain("it has our name but not our mark");
    });

    test("puts our mark below what people wrote, where it is to be adopted", () => {
      const made = plan([solved], [{ ...byHand, threshold: { value: 0.7 } }], { mayAdopt: true });
      const notes = `runbook: call Ada\n${solved.notes}`;
      expect(made.leftAlone).toEqual([]);
      expect(made.steps).toMatchObject([
        { kind: "patch", id: "m1", monitor: { notes }, differences: [{ field: "notes" }, { field: "threshold" }] },
      ]);
      expect(hasDrift(plan([solved], [{ ...byHand, notes }]))).toBe(false);
    });

    test.each([
      { because: "it measures something else", existing: [other], steps: ["create"] },
      {
        because: "its notes are too long for our mark",
        existing: [{ ...byHand, notes: "x".repeat(4000) }],
        steps: ["create"],
      },
      { because: "there is one of ours", existing: [byHand, asCreated(solved, "m2")], steps: [] },
    ])("does not adopt it where $because", ({ existing, steps }) => {
      const made = plan([solved], existing, { mayAdopt: true, mayReplace: true, mayDelete: true });
      expect(made.steps.map(({ kind }) => kind)).toEqual(steps);
      expect(made.leftAlone).toMatchObject([{ id: "m1" }]);
    });
  });

  test("keeps what people wrote when it mends our mark", () => {
    const wanted = desired([bound("solved")], { perVariant: true })[0]!;
    const notes = `${solved.notes}\nrunbook: call Ada`;
    expect(plan([wanted], [{ ...asCreated(wanted, "m1"), notes }]).steps).toMatchObject([
      { kind: "patch", monitor: { notes: `${notes}\n${wanted.notes}` }, differences: [{ field: "notes" }] },
    ]);
  });

  test("names what it could not compare", () => {
    const quiet = { ...asCreated(solved, "m1"), filters: null, windowSeconds: null };
    const made = plan([solved], [quiet]);
    expect(made.untold).toEqual([{ name: solved.name, fields: ["filters", "window"] }]);
    expect(text(made)).toContain(`filters, window of ${solved.name}`);
    expect(text(made)).toContain("delay, contacts of every monitor");
    expect(text(made)).toContain("1 monitor(s) are as the policies say, as far as Arize tells.");
    expect(plan([solved], [asCreated(solved, "m1")]).untold).toEqual([]);
    expect(text(plan([solved], []))).not.toContain("Not compared");
  });

  test("obeys no terminal's commands in what others wrote", async () => {
    const evil = "\u001b[2J\u001b]0;x\u0007\u009b1m\u202e\r\n+ fake";
    const notes = `${solved.notes}\n${evil}`;
    const existing = [
      { ...asCreated(solved, "m1"), name: evil, notes, column: evil },
      { ...asCreated(failure, "m2"), name: evil },
      { ...asCreated(failure, "m3"), name: `seg|shop${evil}|gold|solved`, notes: null },
      { ...asCreated(failure, "m4"), name: `seg|shop|gold|${evil}`, notes: null },
      { ...asCreated(solved, "m5"), name: solved.name, notes: evil },
    ];
    const made = plan([solved], existing, { mayDelete: true, mayReplace: true });
    const lines: string[] = [];
    await applyMonitors({ store: storeOf(existing).store, progress: (line) => void lines.push(line) }, made);
    expect(made.leftAlone.map(({ id }) => id)).toEqual(expect.arrayContaining(["m3", "m4", "m5"]));
    expect(lines).toHaveLength(2);
    for (const line of [...text(made).split("\n"), ...lines]) {
      expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
      expect(line).not.toMatch(/^\+ fake/);
    }
  });

  test("touches nobody else's", () => {
    const theirs = { ...asCreated(solved, "m1"), name: "checkout latency", notes: "by hand" };
    const [elsewhere] = [
      {
        ...asCreated(solved, "m2"),
        name: "seg|billing|gold|solved",
        notes: "managed-by=segue; policy=billing; segment=gold; metric=solved",
      },
    ];
    const contradictory = { ...asCreated(solved, "m3"), name: "seg|shop|silver|solved" };
    const made = plan([], [theirs, elsewhere, contradictory], { mayDelete: true, mayReplace: true });
    expect(made.steps).toEqual([]);
    expect(made.leftAlone.map(({ id }) => id)).toEqual(["m2", "m3"]);
    const forgotten = plan([], [elsewhere], { mayDelete: true, policies: new Set(["shop", "billing"]) });
    expect(forgotten.steps).toMatchObject([{ kind: "delete", id: "m2" }]);
  });

  test("keeps the best of several about the same", () => {
    const drifted = { ...asCreated(solved, "m1"), threshold: { value: 0.1 } };
    const made = plan([solved], [drifted, asCreated(solved, "m2")], { mayDelete: true });
    expect(made).toMatchObject({ steps: [{ kind: "delete", id: "m1" }], unchanged: [solved.name] });
  });

  test("for more monitors than are allowed is refused before anything is done", () =>
    expect(() => plan([solved, failure], [], { monitorsMax: 1 })).toThrow(/ask for 2 monitors, and at most 1/));
});

let created = 0;
/** A store as Arize might be: an id is never given twice; it fails at the step that is told. */
function storeOf(existing: readonly ExistingMonitor[], failAt = Infinity) {
  const kept = new Map(existing.map((monitor) => [monitor.id, monitor]));
  let step = 0;
  const done = (work: () => void): Promise<void> => {
    step += 1;
    if (step > failAt) return Promise.reject(new Error("crash"));
    work();
    return Promise.resolve();
  };
  const store: MonitorStore = {
    list: () => Promise.resolve([...kept.values()]),
    columns: () => Promise.resolve([]),
    create: (monitor) =>
      done(() => {
        const id = `new${(created += 1)}`;
        kept.set(id, asCreated(monitor, id));
      }),
    patch: (id, monitor) => done(() => kept.set(id, asCreated(monitor, id))),
    remove: (id) => done(() => kept.delete(id)),
  };
  return { store, all: () => [...kept.values()] };
}

const quiet = () => undefined;
const objective = fc.constantFrom("solved", "toxic", "judged", "failure", "dear");
const wantedArbitrary = fc
  .uniqueArray(objective)
  .map((metrics) => metrics.flatMap((metric) => desired([bound(metric)], { windowSeconds: 600 })));
const existingArbitrary = fc
  .array(
    fc.record({
      metric: objective,
      drift: fc.constantFrom(
        {},
        { threshold: { value: 0.01 } },
        { column: "other" },
        { notes: "by hand" },
        { notes: "by hand", column: "other" },
      ),
    }),
    { maxLength: 6 },
  )
  .map((list) =>
    list.map(({ metric, drift }, at) => ({
      ...asCreated(desired([bound(metric)], { windowSeconds: 600 })[0]!, `m${at}`),
      ...drift,
    })),
  );

describe("what was applied", () => {
  const allowed = { mayDelete: true, mayReplace: true, mayAdopt: true };

  test("leaves nothing to do, wherever it was stopped and begun again", () =>
    fc.assert(
      fc.asyncProperty(wantedArbitrary, existingArbitrary, fc.nat({ max: 8 }), async (wanted, existing, failAt) => {
        const broken = storeOf(existing, failAt);
        await applyMonitors({ store: broken.store, progress: quiet }, plan(wanted, existing, allowed)).catch(quiet);
        const again = storeOf(broken.all());
        await applyMonitors({ store: again.store, progress: quiet }, plan(wanted, broken.all(), allowed));
        const after = plan(wanted, again.all(), allowed);
        expect(after.steps).toEqual([]);
        expect(after.unchanged).toHaveLength(wanted.length);
      }),
    ));

  test("never leaves a wanted monitor that was there without one, not even for a moment", () =>
    fc.assert(
      fc.asyncProperty(wantedArbitrary, existingArbitrary, fc.nat({ max: 8 }), async (wanted, existing, failAt) => {
        const broken = storeOf(existing, failAt);
        await applyMonitors({ store: broken.store, progress: quiet }, plan(wanted, existing, allowed)).catch(quiet);
        const subjects = (list: readonly ExistingMonitor[]) => new Set(list.map(({ name }) => name));
        for (const { name } of wanted) if (subjects(existing).has(name)) expect(subjects(broken.all())).toContain(name);
      }),
    ));

  test("without leave to delete or replace only adds and patches", () =>
    fc.assert(
      fc.asyncProperty(wantedArbitrary, existingArbitrary, async (wanted, existing) => {
        const { store, all } = storeOf(existing);
        await applyMonitors({ store, progress: quiet }, plan(wanted, existing));
        const ids = all().map(({ id }) => id);
        for (const { id } of existing) expect(ids).toContain(id);
      }),
    ));

  test("never deletes what does not carry our mark", () =>
    fc.assert(
      fc.asyncProperty(wantedArbitrary, existingArbitrary, async (wanted, existing) => {
        const { store, all } = storeOf(existing);
        await applyMonitors({ store, progress: quiet }, plan(wanted, existing, allowed));
        const ids = all().map(({ id }) => id);
        for (const { id, notes } of existing)
          if (subjectOfNotes(notes ?? "", "segue") === null) expect(ids).toContain(id);
      }),
    ));

  test("never changes what does not carry our mark, unless it is to be adopted", () =>
    fc.assert(
      fc.asyncProperty(wantedArbitrary, existingArbitrary, async (wanted, existing) => {
        const { store, all } = storeOf(existing);
        const made = plan(wanted, existing, { mayDelete: true, mayReplace: true });
        await applyMonitors({ store, progress: quiet }, made);
        for (const monitor of existing)
          if (subjectOfNotes(monitor.notes ?? "", "segue") === null) expect(all()).toContainEqual(monitor);
      }),
    ));
});
