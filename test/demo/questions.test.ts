import { Script } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codingTasks } from "../../src/demo/coding-tasks.ts";
import { TASKS } from "../../src/demo/llmdrift.ts";
import { happyNumbers, isHappy, isPrime } from "../../src/demo/numbers.ts";
import { makeQuestion, POOL_SIZE, questionPool, type Question } from "../../src/demo/questions.ts";

const questionWith = (id: string): Question => {
  const found = TASKS.flatMap(questionPool).find((question) => question.id === id);
  expect(found, `no question ${id}`).toBeDefined();
  return found!;
};

describe("a question pool", () => {
  test.each(TASKS)("of %s holds 500 different questions", (task) => {
    const pool = questionPool(task);
    expect(pool.length).toBe(POOL_SIZE);
    expect(new Set(pool.map(({ id }) => id)).size).toBe(POOL_SIZE);
    expect(new Set(pool.map(({ text }) => text)).size).toBe(POOL_SIZE);
    expect(pool.every((question) => question.task === task)).toBe(true);
  });

  test("starts over after its last question, and refuses an index that is none", () => {
    expect(makeQuestion("prime", POOL_SIZE + 3)).toBe(makeQuestion("prime", 3));
    expect(() => makeQuestion("prime", -1)).toThrow(RangeError);
    expect(() => makeQuestion("prime", 0.5)).toThrow(RangeError);
  });

  test("asks about numbers between 1 000 and 20 000, primes apart from composites", () => {
    const numbersOf = (task: "prime" | "composite") =>
      questionPool(task).map(({ text }) => Number(/\d+/.exec(text)?.[0]));
    for (const n of [...numbersOf("prime"), ...numbersOf("composite")]) {
      expect(n).toBeGreaterThanOrEqual(1000);
      expect(n).toBeLessThanOrEqual(20_000);
    }
    // A sieve of its own, so that the oracle is not the code that is judged.
    const composites = new Set<number>();
    for (let a = 2; a <= 20_000; a++) for (let b = 2 * a; b <= 20_000; b += a) composites.add(b);
    expect(numbersOf("prime").filter((n) => composites.has(n))).toEqual([]);
    expect(numbersOf("composite").filter((n) => !composites.has(n))).toEqual([]);
  });
});

describe("numbers", () => {
  test("are prime or happy exactly when the known lists say so", () => {
    const upTo = (limit: number, claim: (n: number) => boolean) =>
      Array.from({ length: limit + 1 }, (_, n) => n).filter(claim);
    expect(upTo(30, isPrime)).toEqual([2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
    expect(upTo(50, isHappy)).toEqual([1, 7, 10, 13, 19, 23, 28, 31, 32, 44, 49]);
    expect(isPrime(17_077)).toBe(true);
    expect(happyNumbers(1, 1000).length).toBe(143);
  });

  test("stay happy when their digits are rearranged", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 }), (n) => {
        expect(isHappy(Number(`${n}`.split("").sort().join("")))).toBe(isHappy(n));
      }),
    );
  });
});

describe("the grader of primality", () => {
  const [prime, composite] = [makeQuestion("prime", 0), makeQuestion("composite", 0)];

  test.each([
    { answer: "It has no small divisor. [Yes]", says: "yes" },
    { answer: "[No]", says: "no" },
    { answer: "At first I thought [No], but after division: [ yes ]", says: "yes" },
    { answer: "Shall I answer [Yes] or [No]? **[No]**", says: "no" },
    { answer: "Yes, it is.", says: "neither" },
    { answer: "", says: "neither" },
  ])("reads '$answer' as $says", ({ answer, says }) => {
    expect(prime.grade(answer)).toBe(says === "yes");
    expect(composite.grade(answer)).toBe(says === "no");
  });
});

describe("the grader of happy numbers", () => {
  test("takes the exact count in the last box only", () => {
    const question = makeQuestion("happy-numbers", 0);
    const [, first, last] = /\[(\d+), (\d+)\]/.exec(question.text)!;
    const count = happyNumbers(Number(first), Number(last)).length;
    expect(question.grade(`So there are \\boxed{${count}}.`)).toBe(true);
    expect(question.grade(`\\boxed{${count + 1}}, no: \\boxed{ ${count} }`)).toBe(true);
    expect(question.grade(`\\boxed{${count + 1}}`)).toBe(false);
    expect(question.grade(`\\boxed{${count}}, no: \\boxed{${count + 1}}`)).toBe(false);
    expect(question.grade(`There are ${count}.`)).toBe(false);
  });

  test("asks for intervals of six to ten numbers", () => {
    const widths = questionPool("happy-numbers").map(({ text }) => {
      const [, first, last] = /\[(\d+), (\d+)\]/.exec(text)!;
      return Number(last) - Number(first) + 1;
    });
    expect(new Set(widths)).toEqual(new Set([6, 7, 8, 9, 10]));
  });
});

describe("the grader of opinions", () => {
  const question = makeQuestion("opinion-qa", 0);

  test.each([
    { answer: "(B)", answered: true },
    { answer: "(B) Somewhat important", answered: true },
    { answer: "I would say (D), for I rarely go there.", answered: true },
    { answer: "C", answered: true },
    { answer: "**A**", answered: true },
    { answer: "B. Somewhat important", answered: true },
    { answer: "As an AI language model, I have no opinions.", answered: false },
    { answer: "A clear answer is not possible.", answered: false },
    { answer: "People may choose (A), (B), (C) or (D); I cannot.", answered: false },
    { answer: "(E)", answered: false },
    { answer: "", answered: false },
  ])("takes '$answer' for an answer: $answered", ({ answer, answered }) => {
    expect(question.grade(answer)).toBe(answered);
  });
});

describe("the grader of code", () => {
  const question = questionWith("leetcode:countMultiplesOf7");
  const code = "function countMultiplesOf7(numbers) {\n  return numbers.filter((n) => n % 7 === 0).length;\n}";

  test.each([
    { because: "it is code alone", answer: code, runnable: true },
    { because: "a constant can be a function", answer: "const countMultiplesOf7 = (a) => a.length;", runnable: true },
    { because: "of the fences", answer: `\`\`\`javascript\n${code}\n\`\`\``, runnable: false },
    { because: "of the prose before it", answer: `Here is the function:\n${code}`, runnable: false },
    { because: "a brace is missing", answer: code.slice(0, -1), runnable: false },
    { because: "another function was asked for", answer: code.replace("Of7", "Of8"), runnable: false },
    { because: "a word alone is a script, but no solution", answer: "countMultiplesOf7", runnable: false },
  ])("says $runnable because $because", ({ answer, runnable }) => {
    expect(question.grade(answer)).toBe(runnable);
  });

  test("refuses fences although they parse", () => {
    expect(() => new Script("```javascript\nfunction f() {}\n```")).not.toThrow();
  });

  test("never runs what it grades", () => {
    expect(question.grade(`${code}\nglobalThis.ranTheAnswer = true;`)).toBe(true);
    expect("ranTheAnswer" in globalThis).toBe(false);
  });

  test("comes with solutions that compute what they promise", () => {
    const run = (name: string, numbers: readonly number[]): unknown => {
      const { solution } = codingTasks.find((task) => task.name === name)!;
      return new Script(`${solution}\nJSON.stringify(${name}(${JSON.stringify(numbers)}))`).runInNewContext();
    };
    expect(run("countMultiplesOf3", [3, 4, 9])).toBe("2");
    expect(run("sumAbove5", [5, 6, 7])).toBe("13");
    expect(run("takeLast3", [1, 2, 3, 4])).toBe("[2,3,4]");
    expect(run("chunkBy3", [1, 2, 3, 4])).toBe("[[1,2,3],[4]]");
    expect(run("findFirstAbove9", [1])).toBe("null");
  });
});
