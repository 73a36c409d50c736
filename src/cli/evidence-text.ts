import { canonicalJson } from "../core/digest.ts";
import type { EvidenceReport, EvidenceVerification } from "../loop/verify-evidence.ts";

/** What became of deciding again, for people: every check of a single proposal, of many only those that disagree. */
export function evidenceLines({ reports, without }: EvidenceVerification): string[] {
  const isSingle = reports.length === 1;
  const agreeing = reports.filter(({ agrees }) => agrees).length;
  return [
    ...reports.flatMap((report) => (isSingle || !report.agrees ? reportLines(report, isSingle) : [])),
    ...(isSingle ? [] : [`${agreeing} of ${reports.length} decisions agree with their evidence.`]),
    ...(without.length === 0
      ? []
      : [`${without.length} proposals carry no evidence: a person's, or an older version's.`]),
  ];
}

const reportLines = ({ id, engine, isOurEngine, agrees, checks }: EvidenceReport, isWhole: boolean): string[] => [
  agrees
    ? `${id}: the decision agrees with its evidence (${checks.length} checks, rules of version ${engine}).`
    : `${id}: the decision DISAGREES with its evidence (rules of version ${engine}).`,
  ...(isOurEngine
    ? []
    : ["  It was decided by other rules than this version's: what follows from rules was not decided again."]),
  ...checks.flatMap(({ what, stored, recomputed, agrees: isRight }) =>
    isRight
      ? isWhole
        ? [`  ok    ${what}: ${canonicalJson(stored)}`]
        : []
      : [`  WRONG ${what}: stored ${canonicalJson(stored)}, recomputed ${canonicalJson(recomputed)}`],
  ),
];
