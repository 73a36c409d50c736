import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readOutcomes, readOutcomeTables, type TableSegment } from "../../src/replay/outcome-table.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

async function* chunksOf(text: string, size: number) {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

const read = (texts: string | readonly string[], ignoreColumns: readonly string[] = []) =>
  readOutcomes(
    [texts].flat().map((text, i) => ({ name: `t${i + 1}.csv`, chunks: chunksOf(text, 7) })),
    { ignoreColumns },
  );

async function only(text: string): Promise<TableSegment> {
  const { segments } = await read(text);
  expect(segments).toHaveLength(1);
  return segments[0]!;
}

const refusal = async (text: string, ignoreColumns: readonly string[] = []): Promise<string> =>
  read(text, ignoreColumns).then(
    () => "nothing was refused",
    (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
  );

const HEADER = "item,segment,model,score";

describe("a long table", () => {
  test("gives the scores of each segment by model and item, in the order of first appearance", async () => {
    const { segments, notes } = await read(`${HEADER}\n1,s,a,1\n1,s,b,0\n2,s,b,0.25\n2,s,a,0.5\nx,z,b,1\nx,z,a,0\n`);
    expect(segments.map(({ id, models, items, itemIds }) => ({ id, models, items, itemIds }))).toEqual([
      { id: "s", models: ["a", "b"], items: 2, itemIds: ["1", "2"] },
      { id: "z", models: ["b", "a"], items: 1, itemIds: ["x"] },
    ]);
    expect(segments[0]!.scores).toEqual([Float64Array.of(1, 0.5), Float64Array.of(0, 0.25)]);
    expect(segments.map(({ line }) => line)).toEqual([
      { file: "t1.csv", line: 2 },
      { file: "t1.csv", line: 6 },
    ]);
    expect(notes).toEqual([]);
  });

  test("an item is kept when every model of the segment has an outcome of it", async () => {
    const { itemIds, scores } = await only(`${HEADER}\n1,s,a,1\n1,s,b,0\n2,s,a,1\n3,s,a,0\n3,s,b,1\n`);
    expect(itemIds).toEqual(["1", "3"]);
    expect(scores).toEqual([Float64Array.of(1, 0), Float64Array.of(0, 1)]);
  });

  test("a model with less than half of the best covered model's items is left out, and a note says so", async () => {
    const rows = [1, 2, 3, 4].map((item) => `${item},s,a,1\n`).join("");
    const half = await read(`${HEADER}\n${rows}1,s,b,0\n2,s,b,0\n`);
    expect(half.segments[0]).toMatchObject({ models: ["a", "b"], items: 2 });
    expect(half.notes).toEqual([]);
    const less = await read(`${HEADER}\n${rows}1,s,b,0\n`);
    expect(less.segments[0]).toMatchObject({ models: ["a"], items: 4 });
    expect(less.notes).toEqual([
      "segment 's': left out for having less than half of the best covered model's 4 items: 'b' (1)",
    ]);
  });

  test("a segment whose models share no item has none, and a note says so", async () => {
    const { segments, notes } = await read(`${HEADER}\n1,s,a,1\n2,s,b,0\n`);
    expect(segments[0]).toMatchObject({ models: ["a", "b"], items: 0, costUsd: null });
    expect(notes).toEqual(["segment 's': no item has an outcome of every model ('a', 'b')"]);
  });

  test("cost and latency are there when every answer has them, and else a note says how many lack them", async () => {
    const { segments, notes } = await read(
      `${HEADER},cost_usd,latency_ms\n1,s,a,1,0.5,10\n1,s,b,0,0,20\n2,s,a,1,0.25,\n2,s,b,0,1e-3,40\n`,
    );
    expect(segments[0]!.costUsd).toEqual([Float64Array.of(0.5, 0.25), Float64Array.of(0, 0.001)]);
    expect(segments[0]!.latencyMs).toBeNull();
    expect(notes).toEqual(["segment 's': latency_ms is unknown for 1 of 4 answers, so it is not used here"]);
  });

  test("measurements of the items are kept for slicing, those of answers are not", async () => {
    const { attributes } = await only(
      `${HEADER},in_chars,subsegment,out_chars,ts\n1,s,a,1,,x,7,\n1,s,b,1,12,y,8,\n2,s,a,1,13,,9,\n2,s,b,1,14,,9,\n3,s,a,1,1,,1,\n`,
    );
    expect(attributes).toEqual(
      new Map<string, unknown>([
        ["in_chars", [12, 13]],
        ["subsegment", ["x", ""]],
      ]),
    );
  });

  test("a row that repeats an answer with another score counts for nothing, and a note counts it", async () => {
    const { segments, notes } = await read(
      `${HEADER}\n1,s,a,1\n1,s,a,0\n1,s,a,1\n1,s,a,0.5\n1,s,b,0\n1,t,a,1\n1,t,a,1\n`,
    );
    expect(segments[0]!.scores[0]).toEqual(Float64Array.of(1));
    expect(notes).toEqual(["segment 's': repeated rows with another score: 2; of each answer the first row counts"]);
  });

  test("quotes, white space, blank lines, a byte order mark and any line ends are read", async () => {
    const { itemIds, models, line } = await only(
      `\ufeffitem, segment ,"model",score\r\n\r\n"1,""x""\nz",s,"é, b", 1 \n1,s,"é, b",.5\r\n`,
    );
    expect(models).toEqual(["é, b"]);
    expect(itemIds).toEqual(['1,"x"\nz', "1"]);
    expect(line).toEqual({ file: "t1.csv", line: 3 });
  });

  test("rows of one segment may stand in several files", async () => {
    const { segments } = await read([`${HEADER}\n1,s,a,1\n`, `model,score,segment,item,in_chars\nb,0,s,1,5\n`]);
    expect(segments).toHaveLength(1);
    expect(segments[0]).toMatchObject({ models: ["a", "b"], items: 1, line: { file: "t1.csv", line: 2 } });
    expect(segments[0]!.attributes.get("in_chars")).toEqual([5]);
  });
});

describe("epochs", () => {
  const rows = (...lines: string[]) => `${HEADER},epoch,cost_usd\n${lines.join("\n")}\n`;

  test("the oldest epoch of an answer is the healthy one, in whatever order the rows come", async () => {
    for (const lines of [
      ["1,s,a,1,2023-03,1", "2,s,a,0.5,2023-03,2", "1,s,a,0,2023-06,3", "2,s,a,0.25,2023-06,4"],
      ["2,s,a,0.25,2023-06,4", "1,s,a,0,2023-06,3", "1,s,a,1,2023-03,1", "2,s,a,0.5,2023-03,2"],
    ]) {
      const { itemIds, scores, costUsd, epochs } = await only(rows(...lines));
      const by = new Map(itemIds.map((id, i) => [id, { score: scores[0]![i], costUsd: costUsd![0]![i] }]));
      expect(by.get("1")).toEqual({ score: 1, costUsd: 1 });
      expect(by.get("2")).toEqual({ score: 0.5, costUsd: 2 });
      expect([...epochs.keys()]).toEqual(["2023-06"]);
      const later = epochs.get("2023-06")![0]!;
      expect(itemIds.map((id, i) => [id, later[i]]).sort()).toEqual([
        ["1", 0],
        ["2", 0.25],
      ]);
    }
  });

  test("a model that was not measured in an epoch has null there, and several epochs are in order", async () => {
    const { models, epochs } = await only(
      rows("1,s,a,1,e1,", "1,s,b,1,e1,", "1,s,a,0.2,e3,", "1,s,a,0.1,e2,", "1,s,b,0.3,e3,"),
    );
    expect(models).toEqual(["a", "b"]);
    expect([...epochs]).toEqual([
      ["e2", [Float64Array.of(0.1), null]],
      ["e3", [Float64Array.of(0.2), Float64Array.of(0.3)]],
    ]);
  });

  test("where each answer has one epoch there are no others", async () => {
    const { items, epochs } = await only(rows("1,s,a,1,d1,", "1,s,b,1,d2,", "2,s,a,1,d3,", "2,s,b,1,d3,"));
    expect(items).toBe(2);
    expect(epochs.size).toBe(0);
  });

  test("a repetition within an epoch is noted, in later epochs too", async () => {
    const { notes } = await read(rows("1,s,a,1,e1,", "1,s,a,0,e1,", "1,s,a,0,e2,", "1,s,a,1,e2,", "1,s,a,0,e2,"));
    expect(notes).toEqual(["segment 's': repeated rows with another score: 2; of each answer the first row counts"]);
  });
});

describe("a wide table", () => {
  test("has a column for each model, and an empty cell where a model was not measured", async () => {
    const { segments } = await read("item,segment,in_chars,a,b\n1,s,10,1,0.5\n2,s,20,0,\n3,s,30,1,0\n");
    expect(segments[0]).toMatchObject({ models: ["a", "b"], itemIds: ["1", "3"] });
    expect(segments[0]!.scores).toEqual([Float64Array.of(1, 1), Float64Array.of(0.5, 0)]);
    expect(segments[0]!.attributes.get("in_chars")).toEqual([10, 30]);
  });

  test("splits its segments by subsegment", async () => {
    const { segments } = await read("item,segment,subsegment,a\n1,s,x,1\n2,s,y,1\n3,s,,1\n");
    expect(segments.map(({ id }) => id)).toEqual(["s/x", "s/y", "s"]);
  });

  test("a row that nothing was measured in is no item", async () => {
    expect(await only("item,segment,a\n1,s,\n")).toMatchObject({ models: [], items: 0 });
  });

  test("refuses what says something of one answer, and names the column of a bad score", async () => {
    expect(await refusal("item,segment,a,cost_usd\n1,s,1,2\n")).toBe(
      "invalid_request: t1.csv:1: 'cost_usd' says something of one answer, and a row of a wide table holds many. " +
        "Write a row for each item and model, or leave it out with --ignore-column cost_usd.",
    );
    expect(await refusal("item,segment,modell\n1,s,gpt\n")).toBe(
      "invalid_request: t1.csv:2: score 'gpt' of item '1' is not a number in [0,1]; without columns 'model' and 'score', " +
        "every column that is not known is read as a model, such as 'modell'.",
    );
  });
});

describe("a header", () => {
  test("with an unknown column is refused, with the name that was probably meant and the way out", async () => {
    const text = "item,segment,model,score,latency_m,x y\n1,s,a,1,2,3\n";
    expect(await refusal("item,segment,model,scor\n1,s,a,1\n")).toBe(
      "invalid_request: t1.csv:1: unknown column 'scor'; did you mean 'score'? Known columns: item, segment, model, score, " +
        "cost_usd, latency_ms, epoch, out_chars, out_tokens, in_chars, in_tokens, subsegment, ts. " +
        "Leave it out with --ignore-column scor.",
    );
    expect(await refusal(text)).toContain("Also unknown: 'x y'.");
    expect(await refusal(text, ["latency_m"])).toContain(
      `unknown column 'x y'. Known columns: ${HEADER.replaceAll(",", ", ")}`,
    );
    expect(await refusal(text, ["latency_m", "x y"])).toBe("nothing was refused");
  });

  test("without what a table needs is refused", async () => {
    expect(await refusal("item,model,score\n1,a,1\n")).toMatch(/t1\.csv:1: there is no column 'segment'\. An outcome/);
    expect(await refusal("items,segment,a\n1,s,1\n")).toMatch(/there is no column 'item' \(is it 'items'\?\)/);
    expect(await refusal("ts,segment,in_tokens\n1,s,1\n")).toMatch(/there is no column 'item'/);
    expect(await refusal("item,segment,in_tokens\n1,s,1\n")).toMatch(/there is no column 'model'/);
    expect(await refusal("item;segment;model;score\n1;s;a;1\n")).toMatch(/Separate the cells by commas\.$/);
    expect(await refusal(`${HEADER}\n1,s,a,1\n`, ["item"])).toMatch(/there is no column 'item'/);
  });

  test("with a column twice or without a name is refused", async () => {
    expect(await refusal(`${HEADER},score\n1,s,a,1,1\n`)).toMatch(/t1\.csv:1: there are two columns 'score'/);
    expect(await refusal(`,${HEADER}\n0,1,s,a,1\n`)).toMatch(/t1\.csv:1: column 1 has no name/);
  });

  test("a column to ignore that no table has is noted", async () => {
    const { notes } = await read(`${HEADER},x\n1,s,a,1,\n`, ["x", "y"]);
    expect(notes).toEqual(["no table has the column 'y' that was to be ignored"]);
  });
});

describe("a cell", () => {
  test("with a score that is not a number in [0,1] is refused with its line", async () => {
    for (const score of ["1.2", "-0.1", "one", "", " ", "NaN", "Infinity", "0,5", "1 0"])
      expect(await refusal(`${HEADER}\n1,s,a,1\nx,s,a,"${score}"\n`)).toBe(
        `invalid_request: t1.csv:3: score '${score.trim()}' of item 'x' is not a number in [0,1].`,
      );
  });

  test("with a cost, latency or size that is no number of at least 0 is refused with its line", async () => {
    for (const column of ["cost_usd", "latency_ms", "in_chars", "in_tokens"])
      for (const cell of ["-1", "Infinity", "$2"])
        expect(await refusal(`${HEADER},${column}\n1,s,a,1,\n2,s,a,1,${cell}\n`)).toBe(
          `invalid_request: t1.csv:3: ${column} '${cell}' of item '2' is not a number of at least 0.`,
        );
  });

  test("that should name an item, segment or model and is empty is refused with its line", async () => {
    expect(await refusal(`${HEADER}\n ,s,a,1\n`)).toBe(
      "invalid_request: t1.csv:2: the cell of column 'item' is empty.",
    );
    expect(await refusal(`${HEADER}\n1,,a,1\n`)).toMatch(/:2: the cell of column 'segment' is empty/);
    expect(await refusal(`${HEADER}\n1,s,,1\n`)).toMatch(/:2: the cell of column 'model' is empty/);
  });

  test("cannot write to a terminal through a message", async () => {
    expect(await refusal(`${HEADER}\n1,s,a,\u001b[2J\n`)).toContain(String.raw`score '\u001b[2J'`);
  });
});

describe("a file", () => {
  test("that is not a table of rows alike is refused with the line", async () => {
    expect(await refusal(`${HEADER}\n1,s,a,1\n\n2,s,a\n`)).toBe(
      "invalid_request: t1.csv:4: the row's number of cells is 3, the header's 4.",
    );
    expect(await refusal(`${HEADER}\n1,s,a,1,5\n`)).toMatch(/:2: the row's number of cells is 5, the header's 4/);
    expect(await refusal(`${HEADER}\n1,s,a,1\n2,"s,a,1\n3,s,a,1\n`)).toMatch(/:3: .* a quote that nothing closes/);
    expect(await refusal(`${HEADER}\n2,s"x",a,1\n`)).toMatch(/:2: a quote stands inside a cell/);
    expect(await refusal(`${HEADER}\n2,"s"x,a,1\n`)).toMatch(/:2: text follows a closing quote/);
  });

  test("the first fault is the one that is told", async () => {
    expect(await refusal(`${HEADER}\n1,s,a,2\n2,s\n`)).toMatch(/:2: score '2'/);
    expect(await refusal(`${HEADER}\n2,s\n1,s,a,2\n`)).toMatch(/:2: the row's number of cells/);
  });

  test("that is empty, or only a header, is refused", async () => {
    expect(await refusal("")).toBe("invalid_request: t1.csv: the table is empty.");
    expect(await refusal("\ufeff\n\n")).toBe("invalid_request: t1.csv: the table is empty.");
    expect(await refusal(HEADER)).toBe("invalid_request: t1.csv:1: no rows follow the header.");
  });

  test("whose quote swallows the rest is refused before it fills the memory", async () => {
    let pulled = 0;
    async function* endless() {
      yield `${HEADER}\n1,s,a,1\n"`;
      for (; pulled < 1000; pulled++) yield "x".repeat(2 ** 16);
    }
    const refused = readOutcomes([{ name: "t.csv", chunks: endless() }], { ignoreColumns: [] });
    await expect(refused).rejects.toMatchObject({ message: expect.stringMatching(/^t\.csv:3: .* nothing closes/) });
    expect(pulled).toBeLessThan(100);
  });
});

describe("files on disk", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  test("are read in order, and the progress ends with all their rows", async () => {
    const paths = ["a", "b"].map((model) => {
      const path = join(folder.path, `${model}.csv`);
      writeFileSync(path, [HEADER, ...Array.from({ length: 15_000 }, (_, i) => `${i},s,${model},1`)].join("\n"));
      return path;
    });
    const seen: number[] = [];
    const { segments } = await readOutcomeTables(paths, { ignoreColumns: [], onProgress: (rows) => seen.push(rows) });
    expect(segments[0]).toMatchObject({ models: ["a", "b"], items: 15_000 });
    expect(seen).toEqual([20_000, 30_000]);
  });

  test("that are missing or cannot be read are named", async () => {
    const missing = join(folder.path, "none.csv");
    const bad = join(folder.path, "bad.csv");
    writeFileSync(bad, "");
    const options = { ignoreColumns: [] };
    await expect(readOutcomeTables([missing], options)).rejects.toMatchObject({
      code: "not_found",
      message: `There is no file ${missing}.`,
    });
    await expect(readOutcomeTables([folder.path], options)).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining(`${folder.path} cannot be read: EISDIR`),
    });
    // The second is not even opened, so its absence is not an error that nobody hears.
    await expect(readOutcomeTables([bad, missing], options)).rejects.toMatchObject({
      message: `${bad}: the table is empty.`,
    });
  });
});
