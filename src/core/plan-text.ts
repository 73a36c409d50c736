import { hasChanges, type Plan, type PolicyChange, type SegmentChange } from "./plan.ts";

const marks = { add: "+", remove: "-", change: "~", move: "↕" } as const;

/** A plan for a terminal: plain lines, what is served differently first. */
export function planText(plan: Plan): string {
  const lines = plan.changes.flatMap(policyLines);
  for (const policy of plan.untouched) lines.push(`${policy}: in no file, stays published`);
  lines.push("");
  lines.push(
    hasChanges(plan)
      ? `${served(plan)} Plan ${plan.digest.slice(0, 12)}, made on revision ${plan.basedOn}.`
      : `Nothing to publish: revision ${plan.basedOn} is what the files say.`,
  );
  return lines.join("\n");
}

function policyLines(change: PolicyChange): string[] {
  if (change.kind === "none") return [`${change.policy}: no change`];
  const lines = [`${change.policy}: ${change.kind}`, ...change.segments.flatMap(segmentLines)];
  // Of a new policy everything is new; what it serves is what matters.
  if (change.kind === "create") return lines;
  for (const part of ["description", "attributes", "variants", "prompts", "metrics", "guard", "canary"] as const)
    for (const line of change[part]) lines.push(part === "description" ? `  ~ ${line}` : `  ~ ${part}: ${line}`);
  return lines;
}

const segmentLines = (change: SegmentChange): string[] => [
  `  ${marks[change.kind]} segment ${change.segment}: ${servedLine(change)}`,
  ...(change.supersedes === null ? [] : [`      ends the open switchover ${change.supersedes}`]),
  ...change.what.map((line) => `      ${line}`),
];

function servedLine({ incumbentBefore, incumbentAfter }: SegmentChange): string {
  if (incumbentBefore === null) return `new, serves ${incumbentAfter}`;
  if (incumbentAfter === null) return `removed, served ${incumbentBefore}`;
  return incumbentBefore === incumbentAfter
    ? `still serves ${incumbentAfter}`
    : `serves ${incumbentBefore} → ${incumbentAfter}`;
}

function served({ changes }: Plan): string {
  const count = changes
    .flatMap(({ segments }) => segments)
    .filter((one) => one.incumbentBefore !== one.incumbentAfter).length;
  return count === 1 ? "1 segment is served differently." : `${count} segments are served differently.`;
}
