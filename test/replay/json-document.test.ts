import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readJson } from "../../src/replay/json-document.ts";

function plain(text: string): unknown {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
}

test("it reads what the host's parser reads and refuses what that refuses", () => {
  const mark = fc.option(fc.constantFrom(..."{}[],:\"\\ \n\t\u0000\u0085'0-1.e+tfn/#".split("")));
  const edit = fc.record({ whole: fc.json({ maxDepth: 4 }), at: fc.nat(), length: fc.nat(2), mark });
  fc.assert(
    fc.property(edit, ({ whole, at, length, mark }) => {
      const start = at % (whole.length + 1);
      const text = whole.slice(0, start) + (mark ?? "") + whole.slice(start + length);
      const { value, faults } = readJson(text);
      const syntax = faults.filter(({ message }) => message.startsWith("not valid JSON"));
      expect(syntax.length === 0).toBe(plain(text) !== null);
      if (faults.length === 0) expect({ value }).toEqual(plain(text));
    }),
    { numRuns: 2000, seed: 11 },
  );
});

test("a fault stands where reading stopped", () => {
  expect(readJson('{\n  "a": 1,\n}').faults).toEqual([
    { line: 3, column: 1, message: 'not valid JSON: a key in double quotes is expected, not "}"' },
  ]);
  expect(readJson('{"a": [1, 2').faults).toEqual([
    { line: 1, column: 12, message: "not valid JSON: ',' or ']' is expected, but the text ends" },
  ]);
  expect(readJson('{"a": 1}\r\n}').faults).toMatchObject([{ line: 2, column: 1 }]);
});

test("a key that an object has twice is a fault, in two objects it is none", () => {
  expect(readJson('{"a": 1,\n "a": 2}').faults).toEqual([
    { line: 2, column: 2, message: 'the key "a" stands here twice' },
  ]);
  expect(readJson('[{"a": 1}, {"a": 2}]').faults).toEqual([]);
  expect(readJson('{"\\u0061": 1, "a": 2}').faults).toHaveLength(1);
});

test("an entry is found by its path, its key before its value, and its parent where it is not there", () => {
  const { locate } = readJson('{\n  "a": [\n    {"b": 1}\n  ]\n}');
  expect(locate(["a"])).toEqual({ line: 2, column: 3 });
  expect(locate(["a", 0])).toEqual({ line: 3, column: 5 });
  expect(locate(["a", 0, "b"])).toEqual({ line: 3, column: 6 });
  expect(locate(["a", 0, "c"])).toEqual({ line: 3, column: 5 });
  expect(locate([])).toEqual({ line: 1, column: 1 });
});

test("a byte order mark is skipped, and deep nesting is a fault instead of an overflow", () => {
  expect(readJson("\ufeff[1]").value).toEqual([1]);
  expect(readJson("[".repeat(100_000)).faults).toHaveLength(1);
});
