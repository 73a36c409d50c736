import type { Outcome } from "../../src/core/outcome.ts";
import type { Signal } from "../../src/core/signal.ts";
import type { Switchover } from "../../src/core/switchover.ts";
import type { Accuse } from "./ledger-judge.ts";
import { placeOf, servedNow, type Model, type SegmentRecord, type SwitchoverRecord, type Written } from "./model.ts";

interface Court {
  readonly heard: readonly Outcome[];
  readonly accuse: Accuse;
}

const LABELS_MIN = 3;
/** Two losses where there were hardly any carry odds of 20 to 1, one does not; but it carries those of 5 to 1 that end a probe. */
const LOSSES_MIN = { move: 2, probe: 1 };
/** A recovery has to show in at least this many of the last labels. */
const RECOVERY_MIN = 10;
/** The loop compares with estimates; the judge with plain means, so it leaves some room. */
const ROOM = 0.05;
const PROBE_LABELS_MAX = 120;

type About = { readonly policy: string; readonly segment: string; readonly variant: string; readonly metric: string };

/** Losses of answers that were decided at or after `since`, each answer once. */
function lossesOf({ heard }: Court, about: About, since: number): number[] {
  const byId = new Map<string, number>();
  for (const { policy, segment, variant, metric, at, loss, predictionId } of heard)
    if (at >= since && variant === about.variant && segment === about.segment)
      if (policy === about.policy && metric === about.metric) byId.set(predictionId, loss);
  return [...byId.values()];
}

const mean = (losses: readonly number[]): number => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;

const signalsAbout = (model: Model, place: string, variant: string) =>
  [...model.signals.values()].filter(({ signal }) => placeOf(signal) === place && signal.variant === variant);

/** All is well only when whoever said otherwise has taken it back. */
export function judgeResolution(model: Model, place: string, { accuse }: Court): void {
  const record = model.segments.get(place);
  if (record === undefined) return;
  const { incumbent, since } = servedNow(record);
  const standing = signalsAbout(model, place, incumbent).find(
    ({ signal, at }) => signal.status === "degraded" && at >= since,
  );
  if (standing !== undefined)
    accuse(8, `${place} is called well while ${standing.signal.source} still says that ${incumbent} is degraded`);
}

/** A detector speaks from labels of that very variant, served since it became the incumbent or the candidate. */
export function judgeDetector(model: Model, { at }: Written, signal: Signal, court: Court): void {
  const record = model.segments.get(placeOf(signal));
  if (record === undefined) return court.accuse(9, `a detector speaks of ${placeOf(signal)}, which is not published`);
  const { incumbent, since, canary } = servedNow(record);
  const trial = canary === null ? undefined : model.switchovers.get(canary);
  const candidate = trial?.change.to === signal.variant ? trial : undefined;
  if (incumbent !== signal.variant && candidate === undefined)
    return court.accuse(9, `a detector speaks of ${signal.variant}, which ${placeOf(signal)} is not served`);
  const losses = lossesOf(court, signal, incumbent === signal.variant ? since : (candidate?.startedAt ?? at));
  if (signal.status === "degraded" && losses.filter((loss) => loss > 0).length < LABELS_MIN)
    court.accuse(9, `a detector says that ${signal.variant} degraded on ${losses.length} labels since it began`);
  const hasRecovered = losses.some((_loss, i) => losses.length - i >= RECOVERY_MIN && mean(losses.slice(i)) < 0.5);
  if (signal.status !== "degraded" && !hasRecovered)
    court.accuse(8, `a detector says that ${signal.variant} recovered on ${losses.length} labels since it began`);
}

/** A proposal is about what serves now, and rests on what somebody said of it since it began, or on an incident. */
export function judgeProposal(
  model: Model,
  { switchover, record }: { readonly switchover: Switchover; readonly record: SegmentRecord },
  accuse: Accuse,
): void {
  const { id, change } = switchover;
  const { incumbent, since } = servedNow(record);
  if (change.from !== incumbent) return accuse(9, `${id} moves away from ${change.from}, but ${incumbent} is served`);
  if (change.cause === "recovered") {
    if (record.former?.variant !== change.to) accuse(9, `${id} returns to ${change.to}, which is not what was left`);
    return;
  }
  if (change.incident !== undefined) return;
  const alarm = signalsAbout(model, placeOf(change), incumbent).find(
    ({ signal, at }) => signal.status === "degraded" && signal.metric === change.metric && at >= since,
  );
  if (alarm === undefined) accuse(9, `${id} is proposed and nobody says that ${incumbent} degraded since it began`);
}

/** The candidate's own labels within the canary, those of its incident's canaries, or an outside source about it from within the canary, must say so. */
export function judgeConfirmation(model: Model, switchover: SwitchoverRecord, court: Court): void {
  const { id, change, startedAt } = switchover;
  const { policy, segment, metric, to, from, evidence } = change;
  const outside = signalsAbout(model, placeOf(change), to).some(
    ({ signal, at }) =>
      signal.status === "recovered" && signal.metric === metric && at > startedAt && !isDetector(signal),
  );
  if (outside) return;
  const own = lossesOf(court, { policy, segment, metric, variant: to }, startedAt);
  const losses = change.incident === undefined ? own : lossesTogether(model, change, court);
  if (losses.length < LABELS_MIN) return court.accuse(8, `${id} is confirmed on ${losses.length} labels`);
  const compared = lossesOf(court, { policy, segment, metric, variant: from }, startedAt);
  const levels = compared.map((_loss, i) => mean(compared.slice(0, i + 1)));
  const reference =
    change.cause === "recovered" ? (evidence.lossMean ?? 1) : Math.max(evidence.lossMean ?? 0, ...levels);
  if (mean(losses) >= reference + ROOM)
    court.accuse(8, `${id} is confirmed at a mean loss of ${mean(losses)}, compared with ${reference}`);
}

/** What the canaries of one incident, in one direction, show together. */
const lossesTogether = ({ switchovers }: Model, { incident, cause }: SwitchoverRecord["change"], court: Court) =>
  [...switchovers.values()]
    .filter(({ change, startedAt }) => change.incident === incident && change.cause === cause && startedAt > 0)
    .flatMap(({ change, startedAt }) => lossesOf(court, { ...change, variant: change.to }, startedAt));

const isDetector = ({ source }: Signal): boolean => source.startsWith("detector:");

export function judgeRollBack(model: Model, { at }: Written, switchover: SwitchoverRecord, court: Court): void {
  const { id, change, startedAt, stepSince } = switchover;
  const canary = model.policies.get(change.policy)?.canary;
  if (canary === undefined) return;
  const said = signalsAbout(model, placeOf(change), change.to).some(
    ({ signal, at: heardAt }) => signal.status === "degraded" && heardAt > startedAt,
  );
  if (said || at - Math.min(startedAt, stepSince) >= canary.timeoutSeconds * 1000) return;
  const losses = lossesOf(court, { ...change, variant: change.to }, startedAt);
  const isProbe = change.cause === "recovered";
  const limit = isProbe ? Math.min(PROBE_LABELS_MAX, canary.labelsMax) : canary.labelsMax;
  const lossesMin = isProbe ? LOSSES_MIN.probe : LOSSES_MIN.move;
  if (losses.length >= limit || losses.filter((loss) => loss > 0).length >= lossesMin) return;
  court.accuse(9, `${id} is rolled back on ${losses.length} labels of ${change.to} since the canary began`);
}
