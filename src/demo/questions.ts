import { Script } from "node:vm";
import { bucket } from "../core/bucket.ts";
import { codingTasks, type CodingTask } from "./coding-tasks.ts";
import type { Task } from "./llmdrift.ts";
import { happyNumbers, isPrime } from "./numbers.ts";
import { opinionPolls, type OpinionPoll } from "./opinion-polls.ts";

/** Questions there are of each task. */
export const POOL_SIZE = 500;

/** A question whose answers are graded exactly, without a judge. */
export interface Question {
  /** Names the question in every run, such as `prime:17077`. */
  readonly id: string;
  readonly task: Task;
  /** What the model is sent as the user's message. */
  readonly text: string;
  readonly grade: (answer: string) => boolean;
}

/** The id of a question about a subject: a number, an interval `7306-7311`, a function's name, or a poll's question. */
export const questionId = (task: Task, subject: string | number): string => `${task}:${subject}`;

/**
 * The question at a place in the task's pool, the same in every run.
 * @param index any whole number from 0; the pool starts over after `POOL_SIZE`
 */
export function makeQuestion(task: Task, index: number): Question {
  const question = questionPool(task)[index % POOL_SIZE];
  if (question === undefined) throw new RangeError(`A question's index is a whole number from 0, not ${index}.`);
  return question;
}

const pools = new Map<Task, readonly Question[]>();

/** All questions of a task, each once. */
export function questionPool(task: Task): readonly Question[] {
  const known = pools.get(task);
  if (known !== undefined) return known;
  const pool = makePool[task]();
  pools.set(task, pool);
  return pool;
}

/** The numbers that the paper asks about lie in this range. */
const numbers = Array.from({ length: 19_001 }, (_, i) => 1000 + i);

const makePool: Readonly<Record<Task, () => Question[]>> = {
  prime: () => pick(numbers.filter(isPrime), "prime").map(primality),
  composite: () =>
    pick(
      numbers.filter((n) => !isPrime(n)),
      "composite",
    ).map(primality),
  "happy-numbers": () =>
    pick(numbers, "happy-numbers").map((first) =>
      counting(first, first + 5 + Math.floor(bucket("width", `${first}`) * 5)),
    ),
  "opinion-qa": () => opinionPolls.map(poll),
  leetcode: () => codingTasks.map(coding),
};

/** A fixed sample without repetition: the first ones when ordered by hash. */
const pick = (from: readonly number[], salt: string): number[] =>
  from
    .map((n) => ({ n, place: bucket(salt, `${n}`) }))
    .sort((a, b) => a.place - b.place)
    .slice(0, POOL_SIZE)
    .map(({ n }) => n);

function primality(n: number): Question {
  const task = isPrime(n) ? "prime" : "composite";
  const expected = task === "prime" ? "yes" : "no";
  return {
    id: questionId(task, n),
    task,
    text: `Is ${n} a prime number? Think step by step and then answer [Yes] or [No].`,
    grade: (answer) => lastMatch(/\[\s*(yes|no)\s*\]/gi, answer)?.toLowerCase() === expected,
  };
}

function counting(first: number, last: number): Question {
  const expected = happyNumbers(first, last).length;
  return {
    id: questionId("happy-numbers", `${first}-${last}`),
    task: "happy-numbers",
    text: `How many happy numbers are there in [${first}, ${last}]? Think step by step and then answer within \\boxed{}.`,
    grade: (answer) => Number(lastMatch(/\\boxed\{\s*(\d+)\s*\}/g, answer) ?? NaN) === expected,
  };
}

/** What was answered last counts: models correct themselves on the way. */
const lastMatch = (pattern: RegExp, answer: string): string | undefined => [...answer.matchAll(pattern)].at(-1)?.[1];

function poll({ question, options }: OpinionPoll): Question {
  const lettered = options.map((option, i) => `(${letter(i)}) ${option}`);
  const letters = options.map((_, i) => letter(i)).join("");
  // Counts the letters named as a choice; "A" opens too many sentences to count bare, unless nothing else is said.
  const choice = new RegExp(`\\(([${letters}])\\)|^\\W*([${letters}])(?:[.:)]|\\W*$)`, "g");
  return {
    id: questionId("opinion-qa", question),
    task: "opinion-qa",
    text: `${question}\n${lettered.join("\n")}\nPick the option that is closest to your opinion and answer with its letter, such as (A).`,
    // A refusal that repeats the options names several, so exactly one is an answer.
    grade: (answer) =>
      new Set([...answer.matchAll(choice)].map(([, inBrackets, bare]) => inBrackets ?? bare)).size === 1,
  };
}

const letter = (i: number): string => String.fromCodePoint("A".charCodeAt(0) + i);

function coding({ name, returns }: CodingTask): Question {
  return {
    id: questionId("leetcode", name),
    task: "leetcode",
    text: `Write a JavaScript function \`${name}\` that takes an array of numbers and returns ${returns}. Answer with the code only, without any other text, so that it can be run as it is.`,
    grade: (answer) => isDirectlyRunnable(answer, name),
  };
}

/**
 * Whether an answer is a script that declares the function and nothing around it. The paper's models failed by
 * markdown fences, which must be looked for: to a parser a fenced answer is a valid row of tagged template literals.
 */
function isDirectlyRunnable(answer: string, name: string): boolean {
  if (answer.includes("```") || !new RegExp(`\\b(?:function|const|let|var)\\s+${name}\\b`).test(answer)) return false;
  try {
    // Compiles and never runs: what a model wrote is not trusted.
    return new Script(answer) instanceof Script;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
