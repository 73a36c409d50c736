import { isFrozen } from "./baseline.ts";
import { blame } from "./blame.ts";
import { findStream } from "./boards.ts";
import { streamKey, type Measured, type Row } from "./calibrate.ts";
import {
  ALARM_THRESHOLD,
  degradedLabels,
  degradedLevel,
  hasLasted,
  isAlarmed,
  statisticOf,
  type Detector,
} from "./detector.ts";
import { rounded } from "./rounded.ts";
import type { Segment } from "./policy.ts";
import type { Reading, Scoreboard } from "./scoreboard.ts";
import type { SignalEvidence } from "./signal.ts";
import { toleratedOf, type Stream } from "./stream.ts";

/** What the detectors of rows say, and which answers they speak of. */
export function alarmReader(boards: Measured): Pick<Scoreboard, "readings" | "isAlarmed" | "frozenMetrics" | "blame"> {
  const streamsOf = (policy: string, segment: string) =>
    boards.policies.get(policy)?.segments.get(segment)?.streams ?? [];
  const watched = (policy: string, { id, objectives }: Segment, variant: string): readonly Stream[] =>
    streamsOf(policy, id).filter(
      (stream) => stream.variant === variant && objectives.some(({ metric }) => metric === stream.metric),
    );
  const find = ({ policy, segment, variant, metric }: Row): Stream | undefined => {
    const board = boards.policies.get(policy)?.segments.get(segment);
    return board === undefined ? undefined : findStream(board, variant, metric);
  };
  return {
    readings: (policy, segment, variant) =>
      [...new Set(segment.objectives.map(({ metric }) => metric))].flatMap((metric) => {
        const row = { policy, segment: segment.id, variant, metric };
        const stream = find(row);
        return stream === undefined ? [] : readingsOf(row, stream);
      }),
    isAlarmed: (policy, segment, variant) =>
      watched(policy, segment, variant).some(({ watches }) => watches.some(isAlarmed)),
    frozenMetrics: (policy, segment, variant) =>
      watched(policy, segment, variant)
        .filter(isFrozen)
        .map(({ metric }) => metric),
    blame: (row, against) => {
      const watch = find(row)?.watches.find(({ objective }) => objective.against === against);
      if (watch === undefined) return null;
      const key = streamKey(row);
      const since = boards.cases.changeOf(key, degradedLabels(watch));
      return since === null ? null : blame(boards.cases.read(key, since));
    },
  };
}

const readingsOf = (row: Row, { watches }: Stream): Reading[] =>
  watches.map((watch) => {
    const { against } = watch.objective;
    const tolerated = toleratedOf(watch);
    return {
      ...row,
      against,
      alarmed: isAlarmed(watch),
      lasted: hasLasted(watch),
      evidence: {
        ...evidenceOfAlarm(watch),
        against,
        ...(tolerated === null ? {} : { lossTolerated: rounded(tolerated) }),
      },
    };
  });

const evidenceOfAlarm = (detector: Detector): SignalEvidence => ({
  lossMean: rounded(degradedLevel(detector)),
  labels: degradedLabels(detector),
  statistic: rounded(statisticOf(detector)),
  threshold: ALARM_THRESHOLD,
});
