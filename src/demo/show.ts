import { actorName } from "../core/actor.ts";
import { blameText } from "../core/blame.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { textTable } from "../cli/output.ts";
import type { DemoShow } from "./demo.ts";
import type { DemoResult } from "./report.ts";
import { TASKS } from "./llmdrift.ts";
import type { Traffic } from "./traffic.ts";

/** Answers that the live means look back over. */
const WINDOW = 60;

/** Shows the demo on a terminal; on a pipe, only what happens and no moving line. */
export function terminalShow(stream: NodeJS.WriteStream, answerYes: () => Promise<void>): DemoShow {
  const startedAt = Date.now();
  const clear = stream.isTTY ? "\r\u001b[K" : "";
  const say = (what: string, text: string): void => {
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(5);
    stream.write(`${clear}${seconds} s  ${what.padEnd(9)} ${text}\n`);
  };
  return {
    stage: (line) => say("demo", line),
    entry: (entry) => {
      const line = entryLine(entry);
      if (line !== null) say(...line);
    },
    progress: (traffic) => {
      if (stream.isTTY) stream.write(`${clear}${progressLine(traffic)}`.slice(0, stream.columns + clear.length - 1));
    },
    ask: async (switchover, { url, keys }) => {
      say("APPROVE?", `${switchover.change.segment} is high-risk. In another terminal, as its approver:`);
      stream.write(
        `\n  SEGUE_URL=${url} SEGUE_KEY=${keys.approver} \\\n    npm run -s segue -- approve ${switchover.id} --digest ${switchover.digest}\n\n`,
      );
      if (stream.isTTY) stream.write("  or press y here\n\n");
      await answerYes();
    },
  };
}

function progressLine({ answers }: Traffic): string {
  const means = TASKS.map((task) => {
    const last = answers.filter((answer) => answer.task === task).slice(-WINDOW);
    const right = last.filter((answer) => answer.right).length;
    return `${task} ${last.length === 0 ? "–" : (right / last.length).toFixed(2)}`;
  });
  return `${answers.length} answers · right of the last ${WINDOW}: ${means.join(" · ")}`;
}

/** What is worth a line; null for the rest. */
function entryLine({ event, actor }: LedgerEntry): [string, string] | null {
  switch (event.type) {
    case "signal.recorded": {
      const { segment, variant, status, metric, source, evidence } = event.signal;
      const loss =
        evidence.lossMean === undefined
          ? ""
          : `: loss ${evidence.lossMean.toFixed(2)} over ${evidence.labels} labels, tolerated ${evidence.lossTolerated?.toFixed(2)}`;
      const where = evidence.blame === undefined ? "" : `; ${blameText(evidence.blame)}`;
      return ["signal", `${segment} ${status} on ${variant} by ${metric} (${source})${loss}${where}`];
    }
    case "switchover.proposed": {
      const { id, change, gate } = event.switchover;
      return ["proposed", `${id}: ${change.from} → ${change.to}${gate === "approval" ? ", waits for a person" : ""}`];
    }
    case "switchover.moved": {
      const { phase, id } = event;
      const share = phase.kind === "canary" ? ` at ${phase.share * 100} %` : "";
      const because = "because" in phase ? `: ${phase.because}` : "";
      const by = phase.kind === "approved" ? ` by ${actorName(actor)}` : "";
      return [phase.kind, `${id}${share}${by}${because}`];
    }
    case "escalation.raised":
      return ["held", `${event.segment}: ${event.detail}`];
    case "escalation.resolved":
      return ["resolved", `${event.segment}: ${event.because}`];
    case "incident.opened":
      return [
        "incident",
        event.scope.kind === "evaluator"
          ? `${event.metric} fell on every upstream at once: the measure changed, nothing moves`
          : `${event.scope.kind === "variant" ? event.scope.variant : event.scope.upstream} fails on ${event.evidence.rows} segments: they move together`,
      ];
    case "incident.resolved":
      return ["incident", `over: ${event.because}`];
    case "policy.published":
    case "baseline.frozen":
    case "freeze.set":
    case "freeze.lifted":
    case "flag.effect-started":
    case "flag.effect-ended":
    case "prompt.proposed":
    case "prompt.withdrawn":
    case "key.created":
    case "key.revoked":
      return null;
  }
}

/** The closing table. */
export function resultText({ aggregate, segments, wrongSwitchovers, ledger, requests, wallMs }: DemoResult): string {
  const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
  const rows = segments.map(
    ({ id, risk, before, during, after, labelsToDetect, requestsToRecover, switchover, held }) => [
      id,
      risk,
      `${percent(before.mean)} ${before.variant}`,
      percent(during.mean),
      `${percent(after.mean)} ${after.variant}`,
      labelsToDetect === null ? "–" : String(labelsToDetect),
      requestsToRecover === null ? "–" : String(requestsToRecover),
      switchover === null
        ? held === null
          ? "left alone"
          : "held, people told"
        : switchover.phase === "proposed"
          ? "nobody approved; try --yes"
          : `${switchover.phase}${switchover.approvedBy === null ? "" : `, approved by ${switchover.approvedBy}`}`,
    ],
  );
  return [
    "",
    textTable(
      ["segment", "risk", "before", "during", "after", "labels to notice", "answers to recover", "outcome"],
      rows,
    ),
    "",
    `All traffic, weighted by its mix: ${percent(aggregate.before)} before, ${percent(aggregate.during)} on the changed model, ${percent(aggregate.after)} after.`,
    `A dashboard of the whole would have ${aggregate.during > aggregate.before ? "risen" : "fallen"}. Wrong switchovers: ${wrongSwitchovers}.`,
    `Ledger: ${ledger.entries} entries, ${ledger.verified ? "verified" : "BROKEN"}. ${requests} answers in ${(wallMs / 1000).toFixed(0)} s.`,
  ].join("\n");
}
