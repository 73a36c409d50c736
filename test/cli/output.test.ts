import { expect, test } from "vitest";
import { textTable } from "../../src/cli/output.ts";

test("columns are as wide as their widest cell, and no line ends in white space", () => {
  expect(textTable(["id", "share"], [["a-long-name", "1 %"], ["b"]]).split("\n")).toEqual([
    "id           share",
    "───────────  ─────",
    "a-long-name  1 %",
    "b",
  ]);
});
