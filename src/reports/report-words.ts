import type { Concern, Figures, Group, MoveReport, ObjectiveReport, SegmentRow } from "./report-shape.ts";

/** What is shown where there is nothing to show. */
export const NOTHING = "–";

export const lossText = (loss: number): string => loss.toFixed(3);

/** @param share in [0,1] */
export const shareText = (share: number | null): string => {
  if (share === null) return NOTHING;
  const percent = share * 100;
  return `${percent > 0 && percent < 0.1 ? "<0.1" : String(Number(percent.toFixed(1)))} %`;
};

/** Whole numbers with thin groups, the same for every reader. */
export const countText = (count: number): string => String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export const msText = (ms: number | null): string => {
  if (ms === null) return NOTHING;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
};

export const usdText = ({ costUsd, priced }: Pick<Figures, "costUsd" | "priced">): string =>
  priced === 0 ? NOTHING : dollars(costUsd);

const dollars = (usd: number): string => (usd === 0 || usd >= 0.01 ? `$${usd.toFixed(2)}` : `$${usd.toPrecision(2)}`);

/** A mean in the unit that it has. */
export function amountText(mean: number | null, unit: ObjectiveReport["unit"]): string {
  if (mean === null) return NOTHING;
  switch (unit) {
    case "loss":
      return `loss ${lossText(mean)}`;
    case "ms":
      return msText(mean);
    case "usd":
      return dollars(mean);
  }
}

/** `2026-03-01 10:00 UTC` */
export const timeText = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** A figure against the period before, such as `+12 %`. */
export function changeText(now: number | null, before: number | null): string {
  if (now === null || before === null || before === 0) return NOTHING;
  const percent = Math.round((now / before - 1) * 100);
  return percent === 0 ? "±0 %" : `${percent > 0 ? "+" : "−"}${countText(Math.abs(percent))} %`;
}

/** An objective's mean with its interval, in the fewest words. */
export function meanText({ mean, unit, interval }: Pick<ObjectiveReport, "mean" | "unit" | "interval">): string {
  if (mean === null) return NOTHING;
  return interval === null
    ? amountText(mean, unit)
    : `${lossText(mean)} (${lossText(interval.low)} to ${lossText(interval.high)})`;
}

/** Against the period before. */
export function trendText({ trend, before, unit }: Pick<ObjectiveReport, "trend" | "before" | "unit">): string {
  if (before.mean === null) return "none before";
  const was = `was ${unit === "loss" ? lossText(before.mean) : amountText(before.mean, unit)}`;
  if (trend === null) return was;
  return { better: `better, ${was}`, worse: `worse, ${was}`, unclear: `no clear change, ${was}` }[trend];
}

export const AGAINST = {
  bound: "its bound",
  baseline: "its own baseline",
  rest: "the rest of the traffic",
} as const;

/** What a concern is called, and what it means. */
export const CONCERNS: Readonly<Record<Concern, { readonly title: string; readonly meaning: string }>> = {
  degraded: { title: "degraded", meaning: "misses an objective now" },
  waiting: { title: "waits", meaning: "waits for a person" },
  worse: { title: "got worse", meaning: "worse than in the period before, beyond chance" },
  moved: { title: "moved", meaning: "was moved in the period" },
  unknown: { title: "unknown", meaning: "too little is known to say" },
  fine: { title: "fine", meaning: "within its objectives" },
  idle: { title: "idle", meaning: "served nobody in the period" },
};

/** What a switchover's phase is called. */
export const PHASES: Readonly<Record<MoveReport["phases"][number]["kind"], string>> = {
  proposed: "proposed",
  approved: "approved",
  canary: "canary",
  confirmed: "confirmed",
  rejected: "rejected",
  expired: "expired",
  rolledBack: "rolled back",
  superseded: "superseded",
};

/** The beginning of a text where it is too long for a table. */
export const briefly = (text: string): string => (text.length <= BRIEF ? text : `${text.slice(0, BRIEF - 1)}…`);
const BRIEF = 110;

/** One step of a switchover. */
export const phaseText = ({ kind, at, by, share, because }: MoveReport["phases"][number]): string =>
  `${timeText(at)} ${PHASES[kind]}${share === null ? "" : ` at ${shareText(share)}`} by ${by}${because === null ? "" : `: ${because}`}`;

/** What waits for somebody, or holds the loop, a sentence each. */
export function pendingTexts({ pending, concern }: Pick<SegmentRow, "pending" | "concern">): string[] {
  const { approval, underWay, escalation, flag, frozen } = pending;
  return [
    ...(approval === null
      ? []
      : [
          `Waits for approval until ${timeText(approval.expiresAt)}: segue approve ${approval.id} --digest ${approval.digest}`,
        ]),
    ...(underWay === null
      ? []
      : [`Under way: ${underWay.id}, ${underWay.from} → ${underWay.to}, ${PHASES[underWay.phase]}.`]),
    // Where it is the concern, the row's own words say it.
    ...(escalation === null || (concern === "waiting" && approval === null) ? [] : [`People were told: ${escalation}`]),
    ...(flag === null ? [] : [`Flag ${flag}.`]),
    ...(frozen === null ? [] : [`Frozen: ${frozen}`]),
  ];
}

/** The report in one line: how many segments of each concern. */
export function concernsText({ total }: { readonly total: Pick<Group, "byConcern"> }): string {
  const parts = Object.entries(CONCERNS).flatMap(([concern, { title }]) => {
    const count = total.byConcern[concern as Concern];
    return count === 0 ? [] : [`${countText(count)} ${title}`];
  });
  return parts.length === 0 ? "no segments" : parts.join(", ");
}
