import type { BasisRung, MoveBasis, ReturnBasis } from "./basis.ts";
import { rounded } from "./rounded.ts";
import { refusalOf, type Refusal } from "./guard.ts";
import { isClearlyLess, nextRung, rungLossMax } from "./ladder.ts";
import type { Step } from "./policy.ts";
import { probeShare, probeWaitMs } from "./probe-wait.ts";
import type { SignalEvidence } from "./signal.ts";
import type { Switchover } from "./switchover.ts";

/** What the loop proposes. */
export interface Decision {
  readonly to: string;
  readonly steps: readonly Step[];
  readonly gate: Switchover["gate"];
}

/** A probe, and what allowed it. */
export interface ReturnDecision extends Decision {
  readonly by: "word" | "incident" | "wait";
}

/** Why nothing is proposed now. */
export interface Hold {
  readonly hold: Refusal["code"] | "mode" | "scouts-first" | "no-better-rung" | "not-asked-for" | "waiting";
}

/** A drop that leaves little doubt, in mean loss above what is tolerated. */
const SEVERE = 0.2;
const CAREFUL: readonly Step[] = [
  { share: 0.1, labelsMin: 10, secondsMin: 0 },
  { share: 0.5, labelsMin: 20, secondsMin: 0 },
  { share: 0.9, labelsMin: 20, secondsMin: 0 },
];
/** Nine in ten at once; the last tenth stays as the comparison. */
const URGENT: readonly Step[] = [{ share: 0.9, labelsMin: 10, secondsMin: 0 }];
/** Half each, which tells two close levels apart with the fewest labels. */
const BALANCED: readonly Step[] = [{ share: 0.5, labelsMin: 20, secondsMin: 0 }];
/** Segments that fail together move together: what one of them shows counts for all. Some of it stays, so that each can speak for itself. */
const TOGETHER: readonly Step[] = [{ share: 0.85, labelsMin: 3, secondsMin: 0 }];
/** Segments of an incident that are probed first. */
const SCOUTS = 3;
/** Odds of an ambiguous incident's first canaries at which the others follow. */
export const SCOUTS_SURE = 20;
/** Labels that a growing fault needs in the last minutes. */
const GROWN_LABELS_MIN = 30;

/** The loop's decision on a degraded incumbent: the only one there is, made when proposing and again when verifying. */
export function decideMove(basis: MoveBasis): Decision | Hold {
  const { mode, guard, incident, isComparable, alarm } = basis;
  if (mode === "observe" || mode === "alert") return { hold: "mode" };
  const refusal = refusalOf(guard);
  if (refusal !== null) return { hold: refusal.code };
  if (isForScouts(incident)) return { hold: "scouts-first" };
  const evidence = evidenceNow(alarm);
  const lives = new Map(basis.rungs.map(({ variant, live }) => [variant, live]));
  const rung = nextRung(
    basis.rungs.map(({ variant, validated }) =>
      validated === null ? { variant } : { variant, validated: { score: validated.score, items: validated.items } },
    ),
    isComparable ? (evidence.lossMean ?? null) : null,
    (variant) => lives.get(variant) ?? null,
    new Set(basis.rungs.flatMap((rung) => (mayBeTried(rung, evidence) ? [] : [rung.variant]))),
  );
  if (rung === null) return { hold: "no-better-rung" };
  return { to: rung.variant, steps: stepsFor(basis, evidence, rung.lossMax), gate: gateOf(mode) };
}

/** What answered in the shadow was measured on the very metric that degraded, so that it always has to be clearly better on it. */
const mayBeTried = ({ validated, live, excluded }: BasisRung, { lossMean }: SignalEvidence): boolean =>
  excluded === null &&
  (validated?.source !== "shadow" || lossMean === undefined || isClearlyLess(rungLossMax(validated, live), lossMean));

/** Where it may be the measure that failed, a few segments find out whether moving helps at all. */
const isForScouts = (incident: MoveBasis["incident"]): boolean =>
  incident !== null &&
  incident.scouting !== null &&
  incident.scouting.odds < SCOUTS_SURE &&
  (incident.scouting.busier ?? 0) >= SCOUTS;

const gateOf = (mode: MoveBasis["mode"]): Switchover["gate"] => (mode === "auto" ? "none" : "approval");

/** In haste only where the fault is severe, the risk is not high, and there is as much to be won. */
function stepsFor(
  { risk, incident, canarySteps }: MoveBasis,
  { lossMean, lossTolerated, labels }: SignalEvidence,
  rungLossMax: number,
): readonly Step[] {
  if (canarySteps !== null) return canarySteps;
  if (incident !== null && risk !== "high") return TOGETHER;
  if (risk === "high" || lossMean === undefined || lossTolerated === undefined) return CAREFUL;
  if (lossMean - lossTolerated < SEVERE) return CAREFUL;
  // What a source says without a count is no reference: the incumbent needs labels of its own within the trial.
  return lossMean - rungLossMax >= SEVERE && labels !== undefined ? URGENT : BALANCED;
}

/** The figures that a move is decided on: a fault that still grows is worse by now than on the average since it began. */
export function evidenceNow({ figures, recent }: MoveBasis["alarm"]): MoveBasis["alarm"]["figures"] {
  if (recent === null || recent.labels < GROWN_LABELS_MIN || figures.lossMean === undefined) return figures;
  const error = Math.sqrt((recent.lossMean * (1 - recent.lossMean)) / recent.labels);
  return { ...figures, lossMean: rounded(Math.max(figures.lossMean, recent.lossMean - error)) };
}

/**
 * Half-open: the loop's decision on probing the variant that was left. A source's word allows it, or, where nobody has to
 * be asked, that the incident is over elsewhere, or that the stakes are worth it by now (`probeWaitMs`).
 */
export function decideReturn(basis: ReturnBasis): ReturnDecision | Hold {
  const { mode, guard, former, requestsPerHour } = basis;
  if (mode === "observe" || mode === "alert") return { hold: "mode" };
  const by = allowedBy(basis);
  if (typeof by !== "string") return by;
  const refusal = refusalOf(guard);
  if (refusal !== null) return { hold: refusal.code };
  const share = Number(probeShare(requestsPerHour).toPrecision(2));
  return { to: former.variant, steps: [{ share, labelsMin: 10, secondsMin: 0 }], gate: gateOf(mode), by };
}

function allowedBy(basis: ReturnBasis): ReturnDecision["by"] | Hold {
  const { mode, since, word, recoveredAt, wait, busier, requestsPerHour } = basis;
  if (word !== null && word.at >= since) return "word";
  // Only a probe can tell in auto mode; where a person decides, it takes someone who says that it recovered.
  if (mode !== "auto") return { hold: "not-asked-for" };
  if (recoveredAt !== null && recoveredAt >= since) return "incident";
  if (busier !== null && busier >= SCOUTS) return { hold: "scouts-first" };
  if (wait === null) return { hold: "waiting" };
  const waitMs = Math.max(wait.waitMinMs, probeWaitMs({ ...wait, requestsPerHour }));
  return wait.waitedMs >= waitMs ? "wait" : { hold: "waiting" };
}
