import OpenAI from "openai";
import { bucket } from "../core/bucket.ts";
import { TASKS, type Task } from "./llmdrift.ts";
import { makeQuestion, POOL_SIZE } from "./questions.ts";

/** One answer as the application saw it, graded exactly. */
export interface GradedAnswer {
  readonly task: Task;
  /** Epoch milliseconds at which it was asked. */
  readonly askedAt: number;
  readonly variant: string;
  readonly right: boolean;
}

/** A label as it reached Segue. */
export interface SentLabel {
  readonly task: Task;
  readonly askedAt: number;
  readonly sentAt: number;
}

export interface Traffic {
  readonly answers: readonly GradedAnswer[];
  readonly labels: readonly SentLabel[];
  /** Asks until `isDone`, then sends the labels that wait. Rejects with the first failure. */
  readonly run: (isDone: () => boolean) => Promise<void>;
}

export interface TrafficOptions {
  /** Segue's base URL, without `/v1`. */
  readonly url: string;
  readonly key: string;
  readonly policy: string;
  readonly seed: number;
  readonly shares: Readonly<Record<Task, number>>;
  readonly concurrency: number;
  /** Answers that pass before a label arrives: graders are slower than models. */
  readonly labelLag: number;
  /** Answers a second at most; Infinity for as fast as it goes. */
  readonly perSecond: number;
}

/** The application of the demo: asks questions through the official `openai` client, grades the answers, and reports what they were worth. */
export function startTraffic(options: TrafficOptions): Traffic {
  const client = new OpenAI({ baseURL: `${options.url}/v1`, apiKey: options.key, maxRetries: 1 });
  const answers: GradedAnswer[] = [];
  const labels: SentLabel[] = [];
  const waiting: { readonly predictionId: string; readonly answer: GradedAnswer }[] = [];
  const startedAt = Date.now();
  let asked = 0;

  const ask = async (): Promise<void> => {
    const turn = asked++;
    const task = taskAt(options, turn);
    const question = makeQuestion(task, Math.floor(bucket(`${options.seed}/question`, `${turn}`) * POOL_SIZE));
    const askedAt = Date.now();
    const { data, response } = await client.chat.completions
      .create({ model: options.policy, messages: [{ role: "user", content: question.text }], metadata: { task } })
      .withResponse();
    const right = question.grade(data.choices[0]?.message.content ?? "");
    const answer = { task, askedAt, variant: response.headers.get("x-segue-variant") ?? "", right };
    answers.push(answer);
    waiting.push({ predictionId: response.headers.get("x-segue-prediction-id") ?? "", answer });
  };

  const label = async (): Promise<void> => {
    const next = waiting.shift();
    if (next === undefined) return;
    const response = await fetch(`${options.url}/v1/feedback`, {
      method: "POST",
      headers: { authorization: `Bearer ${options.key}`, "content-type": "application/json" },
      body: JSON.stringify({ prediction_id: next.predictionId, name: "correct", score: next.answer.right ? 1 : 0 }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Feedback was refused with ${response.status}: ${text}`);
    labels.push({ task: next.answer.task, askedAt: next.answer.askedAt, sentAt: Date.now() });
  };

  const work = async (isDone: () => boolean): Promise<void> => {
    while (!isDone()) {
      const due = startedAt + (asked / options.perSecond) * 1000;
      if (due > Date.now()) await new Promise((resolve) => setTimeout(resolve, due - Date.now()));
      await ask();
      if (waiting.length > options.labelLag) await label();
    }
  };

  return {
    answers,
    labels,
    run: async (isDone) => {
      await Promise.all(Array.from({ length: options.concurrency }, () => work(isDone)));
      while (waiting.length > 0) await label();
    },
  };
}

function taskAt({ seed, shares }: TrafficOptions, turn: number): Task {
  let left = bucket(`${seed}/task`, `${turn}`);
  for (const task of TASKS) {
    left -= shares[task];
    if (left < 0) return task;
  }
  return "composite";
}
