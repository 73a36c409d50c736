import { decide } from "../../src/core/decision.ts";
import { chain, parseEntry, type Draft } from "../../src/core/ledger.ts";
import type { Guard, Policy } from "../../src/core/policy.ts";
import type { ControlState, SegmentState } from "../../src/core/state.ts";
import type { PolicyTable, TableRow } from "../../src/core/table.ts";
import type { Ledger } from "../../src/ports.ts";
import type { Bugs } from "./bugs.ts";

/** The table with rows changed one by one. */
const rowsChanged =
  (change: (row: TableRow, others: readonly TableRow[], state: ControlState) => TableRow): NonNullable<Bugs["table"]> =>
  (table: PolicyTable, state) => ({
    ...table,
    policies: new Map(
      [...table.policies].map(([id, compiled]) => [
        id,
        { ...compiled, rows: compiled.rows.map((row) => change(row, compiled.rows, state)) },
      ]),
    ),
  });

/** The state with policies that say something else than was published. */
const policiesBelieved =
  (change: (policy: Policy) => Policy): NonNullable<Bugs["belief"]> =>
  (state) => ({
    ...state,
    policies: Object.fromEntries(
      Object.entries(state.policies).map(([id, published]) => [id, { ...published, policy: change(published.policy) }]),
    ),
  });

const segmentsBelieved =
  (change: (segment: SegmentState) => SegmentState): NonNullable<Bugs["belief"]> =>
  (state) => ({
    ...state,
    segments: Object.fromEntries(Object.entries(state.segments).map(([key, segment]) => [key, change(segment)])),
  });

const guardBelieved = (guard: Partial<Guard>) =>
  policiesBelieved((policy) => ({ ...policy, guard: { ...policy.guard, ...guard } }));

const believedOnOneModel = policiesBelieved((policy) => ({
  ...policy,
  variants: Object.fromEntries(
    Object.entries(policy.variants).map(([id, variant]) => [
      id,
      variant.model === "m2" ? { ...variant, model: "m1" } : variant,
    ]),
  ),
}));

const appendChanged =
  (append: (ledger: Ledger, ...args: Parameters<Ledger["append"]>) => ReturnType<Ledger["append"]>) =>
  (ledger: Ledger): Ledger => ({ ...ledger, append: (...args) => append(ledger, ...args) });

const candidateShown = (row: TableRow, state: ControlState, kind: "proposed" | "rolledBack"): TableRow => {
  const found = Object.values(state.switchovers).find(
    ({ change, phase }) => change.segment === row.segment.id && phase.kind === kind,
  );
  if (found === undefined) return row;
  const phase = { kind: "canary", step: 0, share: 0.9, since: 0, startedAt: 0 } as const;
  return { ...row, canary: { ...found, phase } };
};

const twoProposals = (drafts: readonly Draft[]): Draft[] =>
  drafts.flatMap((draft) => {
    if (draft.event.type !== "switchover.proposed") return [draft];
    const switchover = { ...draft.event.switchover, id: `${draft.event.switchover.id}-again` };
    return [draft, { ...draft, event: { ...draft.event, switchover } }];
  });

/** Bugs that somebody could write, each breaking one promise. */
export const planted = {
  canaryOfAnotherSegment: {
    table: rowsChanged((row, rows) => {
      const other = rows.find(({ canary }) => canary !== null);
      return { ...row, canary: row.canary ?? other?.canary ?? null };
    }),
  },
  digestIgnored: { digest: (_asked, state, id) => state.switchovers[id]?.digest ?? "" },
  servedWhileProposed: { table: rowsChanged((row, _rows, state) => candidateShown(row, state, "proposed")) },
  movedOnTheSignal: {
    table: rowsChanged((row, _rows, { signals }) => {
      const isDegraded = Object.values(signals).some(
        ({ segment, status }) => segment === row.segment.id && status === "degraded",
      );
      return isDegraded ? { ...row, incumbent: "second" } : row;
    }),
  },
  lostAnswerRepeated: {
    ledger: appendChanged(async (ledger, expectedSeq, drafts, options) => {
      try {
        return await ledger.append(expectedSeq, drafts, options);
      } catch {
        return await ledger.append((await ledger.head()).seq, drafts, options);
      }
    }),
  },
  acknowledgedTooEarly: {
    storage: appendChanged(async (ledger, expectedSeq, drafts, options) =>
      drafts.some(({ event }) => event.type === "freeze.set")
        ? chain(await ledger.head(), drafts).map(parseEntry)
        : ledger.append(expectedSeq, drafts, options),
    ),
  },
  entryEdited: {
    storage: (ledger) => ({
      ...ledger,
      readStored: async (...range) =>
        (await ledger.readStored(...range)).map((entry) => ({
          ...entry,
          body: entry.body.replace("simulated", "edited"),
        })),
    }),
  },
  freezeIgnored: { belief: (state) => ({ ...state, freezes: {} }) },
  modeIgnored: {
    belief: policiesBelieved((policy) => ({
      ...policy,
      segments: policy.segments.map((segment) => ({
        ...segment,
        mode: segment.mode === "approve" ? "approve" : "auto",
      })),
    })),
  },
  proposedTwice: {
    ledger: appendChanged((ledger, seq, drafts, options) => ledger.append(seq, twoProposals(drafts), options)),
  },
  cooldownIgnored: { belief: guardBelieved({ cooldownSeconds: 0 }) },
  quarantineIgnored: { belief: guardBelieved({ quarantineSeconds: 0 }) },
  budgetIgnored: { belief: guardBelieved({ movesPerHour: 99 }) },
  failedMovesForgotten: { belief: segmentsBelieved((segment) => ({ ...segment, moves: [] })) },
  changesForgotten: { belief: segmentsBelieved((segment) => ({ ...segment, changes: [] })) },
  returnHurried: { belief: guardBelieved({ revertSeconds: 1 }) },
  noDataIsHealthy: {
    scoreboard: (scoreboard) => ({
      ...scoreboard,
      trial: () => ({ verdict: "healthy", because: "nothing bad was heard", stepLabels: 1000 }),
    }),
  },
  alarmForgotten: {
    scoreboard: (scoreboard) => ({
      ...scoreboard,
      calibrate: (state, now) => scoreboard.calibrate({ ...state, signals: {} }, now),
    }),
  },
  variantForgotten: {
    belief: (state) => ({
      ...state,
      signals: Object.fromEntries(
        Object.entries(state.signals).map(([key, signal]) => [
          key,
          { ...signal, variant: state.segments[`${signal.policy}/${signal.segment}`]?.incumbent ?? signal.variant },
        ]),
      ),
    }),
  },
  ageForgotten: {
    belief: (state) => ({
      ...state,
      signals: Object.fromEntries(
        Object.entries(state.signals).map(([key, signal]) => [key, { ...signal, observedAt: Number.MAX_SAFE_INTEGER }]),
      ),
    }),
  },
  fenceForgotten: { control: (control) => ({ ...control, commit: (actor, build) => control.commit(actor, build) }) },
  fenceUnchecked: { storage: appendChanged((ledger, expectedSeq, drafts) => ledger.append(expectedSeq, drafts)) },
  failsClosed: {
    decide: (policy, input) => {
      if (!input.isCurrent) throw new Error("the ledger cannot be reached");
      return decide(policy, input);
    },
  },
  stalenessHidden: { decide: (policy, input) => decide(policy, { ...input, isCurrent: true }) },
  rollBackGated: { refusesRollBack: ({ freezes }) => Object.keys(freezes).length > 0 },
  rollBackNotServed: { table: rowsChanged((row, _rows, state) => candidateShown(row, state, "rolledBack")) },
  noTimeout: {
    belief: policiesBelieved((policy) => ({ ...policy, canary: { ...policy.canary, timeoutSeconds: 1e9 } })),
  },
  findingWithoutFreeze: {
    ledger: appendChanged((ledger, seq, drafts, options) =>
      ledger.append(
        seq,
        drafts.filter(({ actor, event }) => actor.kind !== "loop" || event.type !== "freeze.set"),
        options,
      ),
    ),
  },
  upstreamsMistaken: {
    belief: (state) => (Object.keys(state.incidents).length === 0 ? state : believedOnOneModel(state)),
  },
  incidentMisnamed: {
    belief: (state) => ({
      ...state,
      incidents: Object.fromEntries(Object.entries(state.incidents).map(([id, incident]) => [`${id}-again`, incident])),
    }),
  },
  deafDetector: { scoreboard: (scoreboard) => ({ ...scoreboard, readings: () => [] }) },
} as const satisfies Record<string, Bugs>;
