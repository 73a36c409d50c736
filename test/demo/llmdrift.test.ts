import { describe, expect, test } from "vitest";
import {
  aggregateScore,
  EPOCHS,
  MODELS,
  publishedFigures,
  TASKS,
  trafficShares,
  type Epoch,
  type Model,
  type Task,
} from "../../src/demo/llmdrift.ts";
import { POOL_SIZE, questionPool } from "../../src/demo/questions.ts";
import { simulatedModel } from "../../src/demo/simulated-model.ts";

const cells = MODELS.flatMap((model) =>
  EPOCHS.flatMap((epoch) =>
    TASKS.map((task) => ({ model, epoch, task, figure: publishedFigures[model][epoch][task] })),
  ),
);

const rightIds = (seed: number, model: Model, epoch: Epoch, task: Task): string[] => {
  const answer = simulatedModel({ seed, figures: publishedFigures });
  return questionPool(task).flatMap(({ id, text, grade }) => (grade(answer(model, epoch, text)) ? [id] : []));
};

describe("the simulated models", () => {
  test.each(cells)("$model of $epoch answers $figure of the $task pool right", ({ model, epoch, task, figure }) => {
    const right = rightIds(1, model, epoch, task).length;
    expect(right).toBe(Math.round(figure * POOL_SIZE));
    expect(Math.abs(right / POOL_SIZE - figure)).toBeLessThanOrEqual(1 / POOL_SIZE);
  });

  test("give one question the same answer every time", () => {
    expect(rightIds(7, "gpt-4", "2023-03", "composite")).toEqual(rightIds(7, "gpt-4", "2023-03", "composite"));
  });

  test("are right on other questions under another seed", () => {
    expect(rightIds(8, "gpt-4", "2023-03", "composite")).not.toEqual(rightIds(7, "gpt-4", "2023-03", "composite"));
  });

  test("answer questions outside the pool by the same figures", () => {
    const answer = simulatedModel({ seed: 1, figures: publishedFigures });
    const primes = [104_729, 104_723, 104_717, 104_711, 104_707, 104_701, 104_693, 104_683, 104_681, 104_677];
    const march = primes.filter((n) => answer("gpt-4", "2023-03", `Is ${n} prime?`).endsWith("[Yes]"));
    const june = primes.filter((n) => answer("gpt-4", "2023-06", `Is ${n} prime?`).endsWith("[Yes]"));
    expect(march.length).toBeGreaterThanOrEqual(8);
    expect(june.length).toBeLessThanOrEqual(2);
  });

  test("say so when they do not understand the question", () => {
    const answer = simulatedModel({ seed: 1, figures: publishedFigures });
    expect(answer("gpt-4", "2023-03", "What is the capital of France?")).toContain("I only know about");
  });
});

describe("the demo's traffic", () => {
  const march = publishedFigures["gpt-4"]["2023-03"];
  const june = publishedFigures["gpt-4"]["2023-06"];

  test("has shares that sum to one", () => {
    expect(Object.values(trafficShares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  });

  test("makes gpt-4's aggregate rise while primes collapse", () => {
    expect(aggregateScore(march)).toBeCloseTo(0.742_48, 10);
    expect(aggregateScore(june)).toBeCloseTo(0.788_48, 10);
    expect(june.prime).toBeLessThan(march.prime - 0.9);
  });

  test("has a better rung for every degraded task but leetcode", () => {
    const rung = publishedFigures["gpt-3.5-turbo"]["2023-06"];
    const degraded = TASKS.filter((task) => june[task] < march[task]);
    expect(degraded).toEqual(["prime", "happy-numbers", "opinion-qa", "leetcode"]);
    expect(degraded.filter((task) => rung[task] > june[task])).toEqual(["prime", "happy-numbers", "opinion-qa"]);
  });
});
