import { bucket } from "../core/bucket.ts";
import { codingTasks } from "./coding-tasks.ts";
import type { Epoch, Figures, Model, Task } from "./llmdrift.ts";
import { happyNumbers, smallestFactor } from "./numbers.ts";
import { opinionPolls } from "./opinion-polls.ts";
import { POOL_SIZE, questionId, questionPool } from "./questions.ts";

/** A question as understood from its text, with an answer of either quality. */
interface Understood {
  readonly task: Task;
  readonly id: string;
  readonly right: () => string;
  readonly wrong: () => string;
}

/** Answers a question's text the way a model of an epoch would. */
export type SimulatedModel = (model: Model, epoch: Epoch, text: string) => string;

/**
 * A model that is right as often as the figures say: in each task's pool exactly `round(figure · POOL_SIZE)`
 * questions, chosen by the seed, so that one question always gets the same answer from one model of one epoch.
 * Questions outside the pools are answered right with the figure's probability, by hash.
 */
export function simulatedModel({ seed, figures }: { seed: number; figures: Figures }): SimulatedModel {
  const known = new Map<string, ReadonlySet<string>>();

  const isRight = (model: Model, epoch: Epoch, { task, id }: Understood): boolean => {
    const salt = `${seed}/${model}/${epoch}/${task}`;
    const figure = figures[model][epoch][task];
    if (!poolIds(task).has(id)) return bucket(salt, id) < figure;
    let right = known.get(salt);
    if (right === undefined) {
      right = new Set(shuffled(poolIds(task), salt).slice(0, Math.round(figure * POOL_SIZE)));
      known.set(salt, right);
    }
    return right.has(id);
  };

  return (model, epoch, text) => {
    const question = understand(text);
    if (question === null) return "I only know about primes, happy numbers, opinion polls and small programs.";
    return isRight(model, epoch, question) ? question.right() : question.wrong();
  };
}

const idsOfPools = new Map<Task, ReadonlySet<string>>();

function poolIds(task: Task): ReadonlySet<string> {
  const known = idsOfPools.get(task);
  if (known !== undefined) return known;
  const ids = new Set(questionPool(task).map(({ id }) => id));
  idsOfPools.set(task, ids);
  return ids;
}

const shuffled = (ids: ReadonlySet<string>, salt: string): string[] =>
  [...ids]
    .map((id) => ({ id, place: bucket(salt, id) }))
    .sort((a, b) => a.place - b.place)
    .map(({ id }) => id);

function understand(text: string): Understood | null {
  // Nine digits keep the trial division, and a thousand numbers the counting, short.
  const prime = /\bIs (\d{1,9}) (?:a )?prime\b/i.exec(text);
  if (prime !== null) return understandPrimality(Number(prime[1]));
  const happy = /happy numbers are there in \[(\d{1,9}),\s*(\d{1,9})\]/i.exec(text);
  if (happy !== null && Number(happy[2]) - Number(happy[1]) <= 1000)
    return understandCounting(Number(happy[1]), Number(happy[2]));
  const name = /JavaScript function `(\w+)`/.exec(text)?.[1];
  if (name !== undefined) return understandCoding(name);
  return understandPoll(text);
}

function understandPrimality(n: number): Understood {
  const factor = smallestFactor(n);
  const task: Task = n > 1 && factor === n ? "prime" : "composite";
  const root = Math.floor(Math.sqrt(n));
  const claimPrime = () => `No prime up to ${root}, the square root of ${n}, divides it, so ${n} is prime. [Yes]`;
  const id = questionId(task, n);
  if (task === "prime") return { task, id, right: claimPrime, wrong: () => "[No]" };
  const because = n > 1 ? `${n} = ${factor} × ${n / factor}` : `${n} is below 2`;
  return { task, id, right: () => `${because}, so it is not prime. [No]`, wrong: claimPrime };
}

function understandCounting(first: number, last: number): Understood {
  const found = happyNumbers(first, last);
  // Taking one number too many for happy is the mistake that is plausible of any interval.
  const finish = (count: number) => `That makes \\boxed{${count}}.`;
  return {
    task: "happy-numbers",
    id: questionId("happy-numbers", `${first}-${last}`),
    right: () => `Squaring digits until 1 or a cycle: ${found.join(", ") || "none"} of them. ${finish(found.length)}`,
    wrong: () => `Squaring digits until 1 or a cycle. ${finish(found.length + 1)}`,
  };
}

const solutions = new Map(codingTasks.map(({ name, solution }) => [name, solution]));

function understandCoding(name: string): Understood {
  const solution = solutions.get(name) ?? `function ${name}(numbers) {\n  return numbers;\n}`;
  return {
    task: "leetcode",
    id: questionId("leetcode", name),
    right: () => solution,
    wrong: () => `\`\`\`javascript\n${solution}\n\`\`\``,
  };
}

const polls = new Map(opinionPolls.map((poll) => [poll.question, poll]));

function understandPoll(text: string): Understood | null {
  const question = text
    .split("\n")
    .find((line) => polls.has(line.trim()))
    ?.trim();
  if (question === undefined) return null;
  const options = polls.get(question)?.options ?? [];
  const choice = Math.floor(bucket("opinion", question) * options.length);
  return {
    task: "opinion-qa",
    id: questionId("opinion-qa", question),
    right: () => `(${String.fromCodePoint("A".charCodeAt(0) + choice)}) ${options[choice]}`,
    wrong: () => "As an AI language model, I have no opinions or personal experience, so I cannot choose one.",
  };
}
