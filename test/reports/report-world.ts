import type { Blame } from "../../src/core/blame.ts";
import { createCases } from "../../src/core/cases.ts";
import { streamKey } from "../../src/core/calibrate.ts";
import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { chain, parseEntry, type Draft, type LedgerEntry } from "../../src/core/ledger.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";
import { staticFlags } from "../../src/flags/static.ts";
import type { CountedExposure } from "../../src/reports/exposure-figures.ts";
import type { ReportDeps } from "../../src/reports/gather-report.ts";
import { createLossHistory } from "../../src/reports/loss-history.ts";
import {
  alice,
  canaryPhase,
  changeOf,
  HOUR,
  loop,
  measured,
  MINUTE,
  moved,
  policyOf,
  proposed,
  publish,
  segmentOf,
  signalOf,
  switchoverOf,
} from "../loop/loop-fixture.ts";

/** When the reports of these tests are written: a full hour. */
export const NOW = Date.UTC(2026, 2, 2, 12);
export const DAY = 24 * HOUR;

/** What somebody may have put into an attribute. */
export const HOSTILE = `</td><script>alert("1")</script>&'`;

const blame: Blame = {
  slice: [
    { attribute: "country", value: "pl" },
    { attribute: "client", value: HOSTILE },
  ],
  how: "worse",
  labels: 12,
  lossMean: 0.9,
  lossMeanBefore: 0.1,
  lossMeanElsewhere: 0.05,
  explained: 0.94,
  share: 0.2,
  shareBefore: 0.2,
  examples: ["served-1", "served-2"],
};

/** A ledger of made-up entries, and the state after them. */
export function ledgerOf(drafts: readonly Draft[]) {
  const entries = chain({ seq: 0, hash: emptyState.head.hash }, drafts).map(parseEntry);
  let reads = 0;
  return {
    state: fold(emptyState, entries),
    entries,
    ledger: {
      read: async (after: number, limit: number): Promise<readonly LedgerEntry[]> => {
        reads += 1;
        return entries.slice(after, after + limit);
      },
    },
    reads: () => reads,
  };
}

const at = (time: number, event: Event, actor: Draft["actor"] = loop): Draft => ({ at: time, actor, event });

/** A policy of six segments in which much happened within a day, and what was measured meanwhile. */
function history(): readonly Draft[] {
  const policy = policyOf([
    segmentOf("europe"),
    segmentOf("asia", { risk: "high", mode: "approve", owner: "apac" }),
    segmentOf("africa"),
    segmentOf("america"),
    segmentOf("quiet", { objectives: [] }),
    segmentOf("oceania"),
  ]);
  const begin = NOW - 3 * DAY;
  const published = [at(begin, publish(policy))];
  const { state } = ledgerOf(published);
  const europe = switchoverOf(state, {
    id: "europe-1",
    change: changeOf(state, { segment: "europe", raisedBy: "webhook:arize" }),
    phase: { kind: "proposed", since: NOW - 5 * HOUR, expiresAt: NOW + DAY },
  });
  const asia = switchoverOf(state, {
    id: "asia-1",
    change: changeOf(state, { segment: "asia" }),
    gate: "approval",
    phase: { kind: "proposed", since: NOW - 2 * HOUR, expiresAt: NOW + DAY },
  });
  const oceania = switchoverOf(state, {
    id: "oceania-1",
    change: changeOf(state, { segment: "oceania", cause: "manual", evidence: { note: "a try | with a pipe" } }),
    proposedBy: alice,
    phase: { kind: "proposed", since: NOW - 40 * HOUR, expiresAt: NOW + DAY },
  });
  return [
    ...published,
    at(NOW - 40 * HOUR, proposed(oceania), alice),
    at(NOW - 39 * HOUR, moved(oceania.id, canaryPhase(NOW - 39 * HOUR, 0.1))),
    at(
      NOW - 20 * HOUR,
      moved(oceania.id, { kind: "rolledBack", since: NOW - 20 * HOUR, because: "worse at odds of 31 to 1", by: loop }),
    ),
    at(
      NOW - 6 * HOUR,
      signalOf({
        segment: "europe",
        observedAt: NOW - 6 * HOUR,
        evidence: { lossMean: 0.5, lossTolerated: 0.2, labels: 60, blame },
      }),
      { kind: "webhook", source: "arize" },
    ),
    at(NOW - 5 * HOUR, proposed(europe)),
    at(NOW - 5 * HOUR + MINUTE, moved(europe.id, canaryPhase(NOW - 5 * HOUR + MINUTE, 0.25))),
    at(NOW - 2 * HOUR, proposed(asia)),
    at(
      NOW - HOUR,
      { type: "freeze.set", scope: { policy: "chat", segment: "quiet" }, reason: "release *week*", until: null },
      alice,
    ),
    at(NOW - HOUR, { type: "freeze.set", scope: { policy: "search" }, reason: "another's", until: null }, alice),
    at(NOW - HOUR, {
      type: "flag.effect-started",
      policy: "chat",
      segment: "america",
      flag: "segue-fallback",
      variant: "third",
      value: "third",
      reason: "FALLTHROUGH",
    }),
  ];
}

/** Answers an hour of each segment in the period and before, and the loss of each. */
const TRAFFIC = [
  { segment: "europe", variant: "first", hourly: 40, lossBefore: 0.1, loss: 0.5 },
  { segment: "asia", variant: "first", hourly: 10, lossBefore: 0.15, loss: 0.2 },
  { segment: "africa", variant: "first", hourly: 20, lossBefore: 0.05, loss: 0.2 },
  { segment: "america", variant: "first", hourly: 30, lossBefore: 0.1, loss: 0.1 },
  { segment: "oceania", variant: "first", hourly: 5, lossBefore: 0.1, loss: 0.1 },
  { segment: "oceania", variant: "second", hourly: 1, lossBefore: 0.4, loss: 0.4 },
  { segment: "default", variant: "first", hourly: 3, lossBefore: 0, loss: 0 },
  { segment: "gone", variant: "first", hourly: 1, lossBefore: 0, loss: 0 },
] as const;

/** Every nth is 1, so that the mean is the loss. */
const isLost = (index: number, loss: number): boolean => Math.floor((index + 1) * loss) > Math.floor(index * loss);

function measurements(since: number, now: number) {
  const exposures: CountedExposure[] = [];
  const losses = createLossHistory();
  const cases = createCases();
  for (const { segment, variant, hourly, loss, lossBefore } of TRAFFIC)
    for (let hour = since; hour < now; hour += HOUR)
      for (let index = 0; index < hourly; index++) {
        const time = hour + Math.floor((index * HOUR) / hourly);
        const isNow = time >= now - DAY;
        const place = ((hour - since) / HOUR) * hourly + index;
        const isFailed = segment === "asia" && index === 0;
        const about = { policy: "chat", segment, variant, at: time };
        exposures.push({
          ...about,
          status: isFailed ? 502 : 200,
          error: isFailed ? "upstream_status_502" : null,
          latencyMs: 200 + (place % 50) * 20 + (isNow ? 100 : 0),
          costUsd: isFailed || segment === "gone" ? null : 0.002,
        });
        const predictionId = `${segment}-${variant}-${String(place).padStart(6, "0")}`;
        const value = isLost(place, isNow ? loss : lossBefore) ? 1 : 0;
        losses.count({ ...about, metric: "helpful", predictionId, loss: value });
        // In africa those on the old client are lost, and only now.
        const attributes = { client: value === 1 && isNow ? HOSTILE : "new", tier: place % 3 === 0 ? "free" : "paid" };
        if (segment === "africa")
          cases.add(streamKey({ ...about, metric: "helpful" }), { predictionId, attributes, loss: value, at: time });
      }
  return { exposures, losses, cases };
}

/** What the detectors say of each segment now. */
const LEVELS: Readonly<Record<string, { readonly lossMean: number; readonly alarmed: boolean }>> = {
  europe: { lossMean: 0.5, alarmed: true },
  asia: { lossMean: 0.19, alarmed: false },
  africa: { lossMean: 0.2, alarmed: false },
  america: { lossMean: 0.1, alarmed: false },
  oceania: { lossMean: 0.1, alarmed: false },
};

export const scoreboardOf = (levels: typeof LEVELS): ReportDeps["scoreboard"] =>
  measured({
    level: ({ segment }) => {
      const known = levels[segment];
      return known === undefined ? null : { labels: 40, lossMean: known.lossMean };
    },
    readings: (policy, { id, objectives }, variant) =>
      objectives.map(({ metric, against }) => ({
        policy,
        segment: id,
        variant,
        metric,
        against,
        alarmed: levels[id]?.alarmed ?? false,
        lasted: false,
        evidence: { lossTolerated: 0.2 },
      })),
  });

/** Exposures that are all in memory. */
export const scanOf =
  (exposures: readonly CountedExposure[]): NonNullable<ReportDeps["exposures"]>["scan"] =>
  async ({ since, until }, visit) => {
    for (const exposure of exposures) if (exposure.at >= since && exposure.at < until) visit(exposure);
    return exposures[0]?.at ?? null;
  };

/** Whatever a report is gathered from, of a world in which nothing is, or what is given. */
export function reportDeps(
  given: Partial<ReportDeps> & { readonly state?: ControlState; readonly now?: number } = {},
): ReportDeps {
  const { state = emptyState, now = NOW, ...rest } = given;
  return {
    controlPlane: { state: () => state, isCurrent: () => true },
    scoreboard: scoreboardOf({}),
    flags: staticFlags(),
    clock: { now: () => now },
    ledger: { read: async () => [] },
    history: createLossHistory(),
    cases: createCases(),
    exposures: { scan: scanOf([]) },
    exported: () => [],
    ...rest,
  };
}

/** The made-up day. */
export function madeUpDay(): ReportDeps {
  const { state, ledger } = ledgerOf(history());
  const { exposures, losses, cases } = measurements(NOW - 2 * DAY, NOW);
  return reportDeps({
    state,
    ledger,
    scoreboard: scoreboardOf(LEVELS),
    history: losses,
    cases,
    exposures: { scan: scanOf(exposures) },
    exported: () => [
      { what: "spans exported", count: 12_345 },
      { what: "exposures dropped", count: 0 },
    ],
  });
}
