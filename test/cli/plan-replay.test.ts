import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWorkspace } from "../e2e/segue-process.ts";

const segment = (id: string, ladder: readonly string[]): string => `
  - id: ${id}
    when: topic == "${id}"
    owner: tests
    ladder: [${ladder.map((variant) => `{ variant: ${variant}, validated: { score: 0.9, items: 100 } }`).join(", ")}]
    why: A segment of the test, served by one of two.
`;
const policy = (code: readonly string[], math: readonly string[]): string => `policy: chat
attributes:
  topic: { type: string }
variants:
  big: { provider: openai, model: gpt }
  small: { provider: openai, model: mini }
default: big
segments:
${segment("code", code)}${segment("math", math)}`;

/** 60 items a segment; the big model is right about all of them, the small one about every third. */
const outcomes = (segmentId: string): string =>
  Array.from({ length: 60 }, (_, i) =>
    [`${i},${segmentId},big,1,0.02,800,x\n`, `${i},${segmentId},openai/mini,${i % 3 === 0 ? 1 : 0},0.001,200,x\n`].join(
      "",
    ),
  ).join("");
const HEADER = "item,segment,model,score,cost_usd,latency_ms,reviewer\n";

describe("plan --replay", () => {
  const home = createWorkspace();
  const plan = (...args: readonly string[]) => home.run("plan", ...args);
  const replay = ["--replay", "code.csv", "--replay", "math.csv", "--ignore-column", "reviewer"];
  beforeAll(async () => {
    home.write("policies/chat.yaml", policy(["big", "small"], ["big", "small"]));
    home.write("code.csv", HEADER + outcomes("code"));
    home.write("math.csv", HEADER + outcomes("math"));
    const applied = await home.run("apply");
    if (applied.code !== 0) throw new Error(applied.stdout + applied.stderr);
  });
  afterAll(() => home.remove());

  test("of what is published says that nothing else is served, and keeps the plan's exit code", async () => {
    const { code, stdout } = await plan(...replay);
    expect(code).toBe(0);
    expect(stdout).toContain("Nothing to publish");
    expect(stdout).toContain("chat: serves nothing else");
  });

  test("adds to the plan's JSON what the change lets expect", async () => {
    home.write("policies/chat.yaml", policy(["small"], ["small", "big"]));
    const [plain, ran] = [await plan("--json"), await plan("--json", ...replay)];
    expect([plain.code, ran.code]).toEqual([2, 2]);
    const { replay: forecast, ...rest } = ran.json();
    expect(rest).toEqual(plain.json());
    expect(forecast.items).toBe(120);
    expect(forecast.policies).toMatchObject([
      {
        policy: "chat",
        isPublished: true,
        moves: [
          {
            segmentBefore: "code",
            segmentAfter: "code",
            variantBefore: "big",
            variantAfter: "small",
            items: 60,
            share: 0.5,
            support: { items: 60, share: 1, lacking: [] },
            scoreBefore: 1,
            scoreAfter: expect.closeTo(1 / 3),
            scoreDifference: { mean: expect.closeTo(-2 / 3), low: expect.any(Number), high: expect.any(Number) },
            costUsdDifference: { mean: expect.closeTo(-0.019) },
            latencyMsDifference: { mean: -600 },
            latencyMsP95After: 200,
            verdict: "worse",
          },
        ],
        stays: [{ segmentAfter: "math", variant: "big", items: 60 }],
        total: { items: 60, share: 0.5, verdict: "worse" },
        unmapped: [],
      },
    ]);
  });

  test("reads for people, after the plan", async () => {
    home.write("policies/chat.yaml", policy(["small"], ["small", "big"]));
    const { code, stdout } = await plan(...replay, "--attribute", "topic");
    expect(code).toBe(2);
    expect(stdout).toMatch(/1 segment is served differently[^]*What 120 items of the outcome tables say/);
    expect(stdout).toContain("  code: big → small, 60 items (50.0 %): worse\n      score    1.000 → 0.333, -0.667 [");
    expect(stdout).toContain(
      "  math: big, 60 items (50.0 %): serves nothing else now; ladder big > small → small > big",
    );
  });

  test.each<{ because: string; args: readonly string[]; message: RegExp }>([
    { because: "a table is not there", args: ["--replay", "none.csv"], message: /^There is no file none\.csv\.$/ },
    {
      because: "a table has a column that nobody knows",
      args: ["--replay", "code.csv"],
      message: /^code\.csv:1: unknown column 'reviewer'.*--ignore-column reviewer/,
    },
    {
      because: "no policy declares the attribute",
      args: [...replay, "--attribute", "topics"],
      message: /^No policy declares the attribute 'topics'\. Did you mean 'topic'\?/,
    },
    {
      because: "tables are described but not named",
      args: ["--attribute", "topic"],
      message: /^--attribute .*--replay/,
    },
    {
      because: "columns are ignored of no table",
      args: ["--ignore-column", "x"],
      message: /^--ignore-column .*--replay/,
    },
  ])("fails, and saves no plan, when $because", async ({ args, message }) => {
    const ran = await plan("--json", "--out", "plan.json", ...args);
    expect(ran.code).toBe(1);
    expect(ran.json()).toEqual({ error: { code: expect.any(String), message: expect.stringMatching(message) } });
    expect(() => home.read("plan.json")).toThrow("ENOENT");
  });
});
