import { expect, test } from "vitest";
import { Variant } from "../../src/core/policy.ts";
import { movedLabels } from "../../src/core/prompt-label.ts";

const variant = (label: string | null, version: string): Variant =>
  Variant.parse({
    provider: "up",
    model: "m",
    prompt: `hub-arize-support@${version}`,
    promptSource: { hub: "arize", prompt: "support", version, ...(label === null ? {} : { label }) },
  });

const place = (prompt: string, label: string, version: string): Variant => ({
  ...variant(null, version),
  promptSource: { hub: "arize", prompt, label, version },
});

test.each([
  { because: "nothing was there", before: {}, after: { a: variant("production", "v3") }, lines: [] },
  { because: "it is where it was", before: { a: variant("x", "v3") }, after: { a: variant("x", "v3") }, lines: [] },
  {
    because: "another variant follows another label",
    before: { a: variant("x", "v3") },
    after: { a: variant("x", "v3"), b: variant("y", "v4") },
    lines: [],
  },
  {
    because: "a new variant was pinned later",
    before: { a: variant("x", "v3") },
    after: { a: variant("x", "v3"), b: variant("x", "v4") },
    lines: ["label 'x' of arize prompt 'support' moved from v3 to v4"],
  },
  {
    because: "another label reads alike",
    before: { a: place("y' of arize prompt 'z", "x", "v3") },
    after: { a: place("z", "x' of arize prompt 'y", "v4") },
    lines: [],
  },
  {
    because: "a version is named, not a label",
    before: { a: variant(null, "v3") },
    after: { a: variant(null, "v3"), b: variant(null, "v4") },
    lines: [],
  },
])("labels that moved are $lines when $because", ({ before, after, lines }) =>
  expect(movedLabels(before, after)).toEqual(lines),
);
