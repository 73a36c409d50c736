import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { Policy } from "../../src/core/policy.ts";
import { predicateCompiler } from "../../src/core/predicate.ts";
import { promptVariables } from "../../src/core/prompt.ts";
import { publishedFigures, TASKS } from "../../src/demo/llmdrift.ts";

const read = (path: string): string =>
  readFileSync(new URL(`../../src/demo/policies/${path}`, import.meta.url), "utf8");
const policy = Policy.parse(parse(read("llmdrift.yaml")));

describe("the demo's policy", () => {
  test.each(TASKS)("serves %s in the segment of that name, and in no other", (task) => {
    const compile = predicateCompiler(policy.attributes);
    const matching = policy.segments.filter(({ when }) => {
      const compiled = compile(when);
      if ("fault" in compiled) throw new Error(compiled.fault.problem);
      return compiled.predicate.matches({ task });
    });
    expect(matching.map(({ id }) => id)).toEqual([task]);
  });

  test.each(TASKS)("quotes the published figures on the ladder of %s", (task) => {
    const ladder = policy.segments.find(({ id }) => id === task)?.ladder;
    expect(ladder?.map(({ variant, validated }) => [variant, validated?.score])).toEqual([
      ["gpt-4", publishedFigures["gpt-4"]["2023-03"][task]],
      ["gpt-3-5", publishedFigures["gpt-3.5-turbo"]["2023-06"][task]],
    ]);
    expect(ladder?.every(({ validated }) => validated?.source?.includes("2307.09009"))).toBe(true);
  });

  test("asks a person where the risk is high, and only there", () => {
    for (const { id, risk, mode } of policy.segments) expect(mode, id).toBe(risk === "high" ? "approve" : "auto");
    expect(policy.segments.filter(({ risk }) => risk === "high").map(({ id }) => id)).toEqual(["opinion-qa"]);
  });

  test("declares the tasks, and names prompts that exist and need nothing", () => {
    expect(policy.attributes.task?.values).toEqual([...TASKS]);
    for (const { prompt } of Object.values(policy.variants)) {
      const [name, version] = (prompt ?? "").split("@");
      expect(promptVariables(read(`prompts/${name}/${version}.md`))).toEqual([]);
    }
  });
});
