import { expect, test } from "vitest";
import { createSeen } from "../../src/core/seen.ts";

const id = (number: number): string => `prediction-${String(number).padStart(16, "0")}`;

test("each of half a million answers is new once, and again not among the last hundred thousand", () => {
  const seen = createSeen([]);
  for (let number = 0; number < 500_000; number++) {
    if (!seen.isNew(id(number), "helpful")) expect.unreachable(`answer ${number} was taken for another`);
    const before = number - 100_000;
    if (before >= 0 && before % 7 === 0 && seen.isNew(id(before), "helpful"))
      expect.unreachable(`answer ${before} was forgotten`);
  }
});

test("an answer is new for each metric, and the last ten thousand survive a restart", () => {
  const seen = createSeen([]);
  for (let number = 0; number < 12_000; number++) seen.isNew(id(number), "helpful");
  expect(seen.isNew(id(1), "polite")).toBe(true);
  const saved = seen.last();
  expect(saved).toHaveLength(10_000);
  const restarted = createSeen(JSON.parse(JSON.stringify(saved)));
  expect(restarted.last()).toStrictEqual(saved);
  expect(restarted.isNew(id(11_999), "helpful")).toBe(false);
  expect(restarted.isNew(id(1), "polite")).toBe(false);
  expect(restarted.isNew(id(0), "helpful")).toBe(true);
});
