import { z } from "zod";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Switchover } from "../core/switchover.ts";
import { APPROVER, startStage, type Stage } from "./stage.ts";
import type { DemoUpstream } from "./demo-upstream.ts";
import { publishedFigures, TASKS, trafficShares, type Task } from "./llmdrift.ts";
import { reportSegments, type DemoResult } from "./report.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

export interface DemoOptions {
  readonly seed: number;
  /** Approve the high-risk segment's switchover without asking. */
  readonly approve: boolean;
  /** Answers a second at most. */
  readonly perSecond: number;
}

/** What a terminal may show while the demo runs. */
export interface DemoShow {
  readonly stage: (line: string) => void;
  readonly entry: (entry: LedgerEntry) => void;
  readonly progress: (traffic: Traffic) => void;
  /** A person is asked; resolves when they said yes, or never. */
  readonly ask: (switchover: Switchover, stage: Stage) => Promise<void>;
}

/** Labels of each segment before the model changes: enough for a baseline. */
const LABELS_BEFORE = 230;
/** Answers without any news from the loop, and with nothing open, after which the demo is over. */
const QUIET = 2500;
/** The demo ends by then, whatever is still open. */
const WALL_MS_MAX = 80_000;
const POLL_MS = 250;

const LedgerPage = z.object({
  head: z.object({ seq: z.number() }),
  entries: z.array(z.custom<LedgerEntry>((value) => typeof value === "object" && value !== null)),
});

/** Plays the published drift against a real server and reports what it did. */
export async function runDemo(upstream: DemoUpstream, options: DemoOptions, show: DemoShow): Promise<DemoResult> {
  const startedAt = Date.now();
  const stage = await startStage(upstream.url, { apiKeyEnv: upstream.apiKeyEnv, change: upstream.adapt });
  let closed: Awaited<ReturnType<Stage["close"]>> | undefined;
  try {
    const traffic = startTraffic({
      url: stage.url,
      key: stage.keys.application,
      policy: stage.policy.policy,
      seed: options.seed,
      shares: upstream.isPublished ? trafficShares : evenShares,
      concurrency: 8,
      labelLag: 100,
      perSecond: options.perSecond,
    });
    const watch = watchLedger(stage, traffic, { ...options, show });
    show.stage(`Segue serves ${stage.policy.policy} on ${stage.url}; the model is ${upstream.before}`);
    await traffic.run(() => hasBaselines(traffic));
    const driftedAt = Date.now();
    await upstream.drift();
    show.stage(`The model silently becomes ${upstream.after}; nothing in an answer says so`);
    const askedAtDrift = traffic.answers.length;
    await traffic.run(() => {
      const news = Math.max(askedAtDrift, watch.newsAt());
      const isQuiet = traffic.answers.length - news >= QUIET && watch.open() === 0;
      return isQuiet || Date.now() - startedAt > WALL_MS_MAX;
    });
    await watch.stop();
    closed = await stage.close();
    const report = reportSegments({
      answers: traffic.answers,
      labels: traffic.labels,
      entries: closed.entries,
      driftedAt,
      primary: stage.policy.default,
      risks: Object.fromEntries(stage.policy.segments.map(({ id, risk }) => [id, risk])),
      shares: upstream.isPublished ? trafficShares : evenShares,
      isRight: upstream.isPublished ? isRightByPaper : () => true,
    });
    const { verification } = closed;
    const ledger = { entries: verification.entries, verified: verification.fault === null };
    return { ...report, ledger, wallMs: Date.now() - startedAt };
  } finally {
    if (closed === undefined) await stage.close();
  }
}

const evenShares = Object.fromEntries(TASKS.map((task) => [task, 1 / TASKS.length])) as Record<Task, number>;

const hasBaselines = ({ labels }: Traffic): boolean => {
  const counts = new Map<Task, number>();
  for (const { task } of labels) counts.set(task, (counts.get(task) ?? 0) + 1);
  return TASKS.every((task) => (counts.get(task) ?? 0) >= LABELS_BEFORE);
};

/** By the paper's figures for June 2023, after which both models stand still. */
const isRightByPaper = (task: Task, to: string): boolean => {
  const june = (variant: string): number =>
    publishedFigures[variant === "gpt-4" ? "gpt-4" : "gpt-3.5-turbo"]["2023-06"][task];
  return june(to) > june(to === "gpt-4" ? "gpt-3-5" : "gpt-4");
};

interface Watch {
  /** How many answers there were when the loop last did something. */
  readonly newsAt: () => number;
  /** Switchovers under way, or waiting for a person. */
  readonly open: () => number;
  readonly stop: () => Promise<void>;
}

/** Follows the ledger over HTTP, shows what is new, and lets a person approve. */
function watchLedger(
  stage: Stage,
  traffic: Traffic,
  { approve, show }: DemoOptions & { readonly show: DemoShow },
): Watch {
  let seq = 0;
  let news = 0;
  /** Canaries, and proposals that wait for a person. */
  const open = new Set<string>();
  const stopping = new AbortController();
  const poll = async (): Promise<void> => {
    const { entries } = LedgerPage.parse(await stage.get(`/api/ledger?after=${seq}&limit=1000`));
    for (const entry of entries) {
      seq = entry.seq;
      show.entry(entry);
      if (entry.event.type.startsWith("switchover.") || entry.event.type === "escalation.raised")
        news = traffic.answers.length;
      if (entry.event.type === "switchover.moved") {
        if (entry.event.phase.kind === "canary" || entry.event.phase.kind === "approved") open.add(entry.event.id);
        else open.delete(entry.event.id);
      }
      if (entry.event.type !== "switchover.proposed" || entry.event.switchover.gate !== "approval") continue;
      open.add(entry.event.switchover.id);
      await decide(entry.event.switchover);
    }
    show.progress(traffic);
  };
  const decide = async (switchover: Switchover): Promise<void> => {
    const yes = (): Promise<unknown> =>
      stage.post(`/api/switchovers/${switchover.id}/approve`, {
        digest: switchover.digest,
        reason: "seen in the demo",
      });
    if (approve) {
      show.stage(`${APPROVER} approves ${switchover.id}`);
      await yes();
      return;
    }
    void show
      .ask(switchover, stage)
      .then(yes)
      .catch((error: unknown) => show.stage(String(error)));
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await poll();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    await poll();
  })();
  // A failure is reported when the watch is stopped; until then it must not end the process.
  loop.catch(() => undefined);
  return {
    newsAt: () => news,
    open: () => open.size,
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}
