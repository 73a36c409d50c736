import { expect, test } from "vitest";
import { matchesGlob } from "../../src/replay/glob.ts";

test("a star names any characters, also none and also slashes", () => {
  expect(matchesGlob("mmlu/anatomy", "mmlu/*")).toBe(true);
  expect(matchesGlob("mmlu/a/b", "mmlu/*")).toBe(true);
  expect(matchesGlob("mmlu/", "mmlu/*")).toBe(true);
  expect(matchesGlob("repair/leetcode/hard", "*")).toBe(true);
  expect(matchesGlob("repair/leetcode/hard", "repair/*/hard")).toBe(true);
  expect(matchesGlob("repair/leetcode/hard", "*leet*ha*")).toBe(true);
  expect(matchesGlob("gsm8k", "mmlu/*")).toBe(false);
});

test("all other characters stand for themselves, capitals and small letters apart", () => {
  expect(matchesGlob("gsm8k", "gsm8k")).toBe(true);
  expect(matchesGlob("gsm8k-2", "gsm8k")).toBe(false);
  expect(matchesGlob("mmlu/anatomy", "MMLU/*")).toBe(false);
  expect(matchesGlob("abc", "a.c")).toBe(false);
  expect(matchesGlob("a", "[a]")).toBe(false);
  expect(matchesGlob("a", "?")).toBe(false);
});

test("parts do not share characters", () => {
  expect(matchesGlob("aba", "ab*ba")).toBe(false);
  expect(matchesGlob("abba", "ab*ba")).toBe(true);
  expect(matchesGlob("ab", "*ab*b")).toBe(false);
});

test("many stars take no longer than they should", () => {
  expect(matchesGlob("a".repeat(5000), `${"*a".repeat(40)}*b`)).toBe(false);
});
