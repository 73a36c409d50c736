import { describe, expect, test } from "vitest";
import { columnAttributes } from "../../src/replay/column-attributes.ts";
import { variantColumns } from "../../src/replay/variant-columns.ts";
import { forecast, HEADER, ladders, only, places, policyOf, rows, segment, tableOf } from "./forecast-fixture.ts";

describe("a model of the table", () => {
  const variants = {
    big: { provider: "openai", model: "gpt" },
    kind: { provider: "openai", model: "gpt", parameters: { temperature: 1 } },
    small: { provider: "openai", model: "mini" },
    other: { provider: "azure", model: "mini" },
    mini: { provider: "openai", model: "nano", description: "a" },
    twin: { provider: "openai", model: "nano", description: "b", failover: [{ provider: "azure", model: "gpt" }] },
  };
  const columnsOf = async (...models: readonly string[]) => {
    const table = await tableOf(`${HEADER}${models.map((model) => `1,s,${model},1\n`).join("")}`);
    const { columnOf, notes } = variantColumns(policyOf({ variants, default: "big", segments: [] }).variants, table);
    return { of: (variant: string) => columnOf(table.segments[0]!, variant), notes };
  };

  test("is a variant when it is its id, its provider and model, or its model", async () => {
    const { of, notes } = await columnsOf("big", "openai/mini", "azure/mini", "nano");
    expect(["big", "small", "other", "mini", "twin", "kind"].map(of)).toEqual([0, 1, 2, 3, 3, null]);
    expect(notes).toEqual([]);
  });

  test("is the variant that has it as its id before it is anybody's model", async () => {
    const { of, notes } = await columnsOf("mini", "nano");
    expect(["small", "mini", "twin"].map(of)).toEqual([null, 0, 1]);
    expect(notes).toEqual([]);
  });

  test("that several variants share which answer differently counts for none of them, and a note says so", async () => {
    const { of, notes } = await columnsOf("gpt", "kind", "unknown");
    expect(["big", "kind"].map(of)).toEqual([null, 1]);
    expect(notes).toEqual([
      "models that are no variant of the policy: 'unknown'",
      "the model 'gpt' is that of several variants which differ (big, kind), so its outcomes count for none: name a variant's id in the table",
    ]);
  });
});

describe("a segment of the table", () => {
  test("is the policy's segment of that name; what has no name there is listed with its share", async () => {
    const table = await tableOf(HEADER + rows("code", 30, { m1: 1, m2: 1 }) + rows("poems", 70, { m1: 1, m2: 1 }));
    const { moves, unmapped } = only(forecast(ladders(["two"]), table));
    expect(moves).toMatchObject([{ segmentAfter: "code", items: 30, share: 0.3 }]);
    expect(unmapped).toEqual([
      { segment: "poems", items: 70, share: 0.7, because: "no segment of the policy has that name" },
    ]);
  });

  test("that is a value of an attribute goes where the predicates send it, before and after", async () => {
    const table = await tableOf(
      HEADER +
        rows("code", 40, { m1: 40, m2: 0 }) +
        rows("algebra", 60, { m1: 0, m2: 60 }) +
        rows("poems", 50, { m1: 50 }),
    );
    const after = policyOf({
      segments: [
        segment("code", ["one", "two"]),
        segment("math", ["two"], { when: 'topic in ["math", "algebra"]' }),
        segment("rest", ["one"], { when: 'topic.startsWith("p")' }),
      ],
    });
    const result = only(forecast(after, table, { attributes: ["topic"] }));
    expect(places(result)).toEqual([["default", "math", "one", "two", 60]]);
    expect(result.moves[0]!.verdict).toBe("better");
    expect(result.stays).toMatchObject([{ segmentBefore: "default", segmentAfter: "rest", variant: "one", items: 50 }]);
    expect(result.unmapped).toEqual([]);
  });

  test("that has the name of a segment, but is a value that leads elsewhere, follows its attributes, and a note says so", async () => {
    const table = await tableOf(HEADER + rows("math", 40, { m1: 40, m2: 0 }));
    const after = policyOf({
      default: "two",
      segments: [segment("code", ["one"]), segment("math", ["one"], { when: 'topic == "algebra"' })],
    });
    const result = only(forecast(after, table, { attributes: ["topic"] }));
    expect(places(result)).toEqual([["math", "default", "one", "two", 40]]);
    expect(result.notes).toEqual([
      "the table's segment 'math' has the name of one of the policy, but by their attributes items of it fall into 'default'",
    ]);
  });

  test("that the policy loses or gains by name alone has nothing to be compared with", async () => {
    const table = await tableOf(HEADER + rows("math", 40, { m1: 40, m2: 0 }) + rows("law", 40, { m1: 10, m2: 20 }));
    const after = policyOf({ segments: [segment("code", ["one", "two"]), segment("law", ["two"])] });
    const { moves, total } = only(forecast(after, table));
    expect(moves).toMatchObject([
      { segmentBefore: null, segmentAfter: "law", variantAfter: "two", scoreAfter: 0.5, verdict: "incomparable" },
      { segmentBefore: "math", segmentAfter: null, variantBefore: "one", scoreBefore: 1, verdict: "incomparable" },
    ]);
    expect(total.items).toBe(0);
  });

  test("falls apart by further columns that are attributes, and counts without one where its cell is empty", async () => {
    const body = Array.from({ length: 80 }, (_, i) =>
      ["m1", "m2"].map((model) => `${i},go,${model},${model === "m2" ? 1 : 0},${i % 2 === 0 ? "pro" : ""}\n`).join(""),
    );
    const table = await tableOf(`item,segment,model,score,subsegment\n${body.join("")}`);
    const rest = [segment("code", ["one", "two"]), segment("math", ["one", "two"])];
    const after = policyOf({
      segments: [segment("pro-go", ["two"], { when: 'topic == "go" && tier == "pro"' }), ...rest],
    });
    const result = only(forecast(after, table, { attributes: ["segment=topic,subsegment=tier"] }));
    expect(places(result)).toEqual([["default", "pro-go", "one", "two", 40]]);
    expect(result.moves[0]!.scoreDifference!.mean).toBe(1);
    expect(result.unmapped).toEqual([]);
  });

  test("that a request could not carry as the attribute is unmapped, with the gateway's own reason", async () => {
    const table = await tableOf(HEADER + rows("gold", 30, { m1: 1, m2: 1 }) + rows("pro", 30, { m1: 1, m2: 1 }));
    const { unmapped } = only(forecast(ladders(["two"]), table, { attributes: ["tier"] }));
    expect(unmapped).toMatchObject([
      { segment: "gold", items: 30, because: `Attribute 'tier' must be one of free, pro, got "gold"` },
    ]);
  });

  test("that could not be the attribute's value is the policy's segment of that name, if there is one", async () => {
    const table = await tableOf(HEADER + rows("code", 30, { m1: 30, m2: 0 }));
    const { moves, unmapped } = only(forecast(ladders(["two"]), table, { attributes: ["tier"] }));
    expect(moves).toMatchObject([{ segmentBefore: "code", segmentAfter: "code", items: 30 }]);
    expect(unmapped).toEqual([]);
  });

  test("is unmapped once for each reason, however many values its items have", async () => {
    const body = Array.from({ length: 30 }, (_, i) => `${i},gold,m1,1,topic-${i}\n`).join("");
    const table = await tableOf(`item,segment,model,score,subsegment\n${body}`);
    const { unmapped } = only(forecast(ladders(["two"]), table, { attributes: ["tier", "subsegment=topic"] }));
    expect(unmapped).toMatchObject([{ segment: "gold", items: 30, share: 1 }]);
  });

  test("counts without an attribute that no column gives, or with its default, and a note says so", async () => {
    const table = await tableOf(HEADER + rows("pro", 40, { m1: 40, m2: 0 }));
    const after = policyOf({
      segments: [segment("free", ["two"], { when: 'tier == "free"' }), segment("code", ["one"])],
    });
    const { notes } = only(forecast(after, table, { attributes: ["topic"] }));
    expect(notes).toEqual([
      "no column gives the attribute 'tier', which decides who falls into free: every item counts with its default 'free'",
    ]);
    const without = only(forecast(after, table, { attributes: ["tier"] })).notes;
    expect(without).toEqual([
      "no column gives the attribute 'topic', which decides who falls into code, math: every item counts as without it",
    ]);
  });
});

describe("--attribute", () => {
  test("takes names and columns with names, several at once or one by one", () => {
    expect(columnAttributes(["topic", "subsegment=tier, ts = day"])).toEqual([
      { column: "segment", attribute: "topic" },
      { column: "subsegment", attribute: "tier" },
      { column: "ts", attribute: "day" },
    ]);
  });

  test.each([
    [["a=b=c"], "--attribute takes NAME or COLUMN=NAME, several separated by commas, not 'a=b=c'."],
    [[""], "--attribute takes NAME or COLUMN=NAME, several separated by commas, not ''."],
    [["=a"], "--attribute takes NAME or COLUMN=NAME, several separated by commas, not '=a'."],
    [["a", "ts=a"], "--attribute names 'a' twice. Take its value from one column."],
  ])("%j is refused", (texts, message) => {
    expect(() => columnAttributes(texts)).toThrow(message);
  });

  test("is refused for what no policy declares or no table has, with the name that was probably meant", async () => {
    const table = await tableOf(`item,segment,model,score,subsegment\n${rows("code", 1, { m1: 1 }, ",x")}`);
    const refused = (attributes: readonly string[]) => () => forecast(ladders(["two"]), table, { attributes });
    expect(refused(["topi"])).toThrow(
      "No policy declares the attribute 'topi'. Did you mean 'topic'? The attributes are: topic, tier.",
    );
    expect(refused(["subsegmnt=tier"])).toThrow(
      "No table has a column 'subsegmnt' that describes items. Did you mean 'subsegment'? The columns that do are: segment, subsegment.",
    );
  });
});
