import { describe, expect, test } from "vitest";
import { discoveredPrefix } from "../../src/monitors/column-warnings.ts";
import { wantedMonitors } from "../../src/monitors/wanted-monitors.ts";
import { bound, settings, shop } from "./shop-policy.ts";

const columns = (...names: string[]) => names.map((name) => ({ name, category: "spanProperty" }));
const wanted = (known: ReturnType<typeof columns> | null, givenPrefix?: string) =>
  wantedMonitors([shop({ gold: [bound("failure")] })], settings(), { columns: known, givenPrefix });

describe("the columns of metadata", () => {
  test.each([
    { because: "as documented for spans", names: ["attributes.metadata.segment_id"], prefix: "attributes.metadata." },
    { because: "without the first part", names: ["metadata.segment_id", "name"], prefix: "metadata." },
    {
      because: "of metadata, where an application has one of that name too",
      names: ["app.segment_id", "attributes.metadata.segment_id"],
      prefix: "attributes.metadata.",
    },
    {
      because: "of metadata, where an application has a shorter one of that name too",
      names: ["crm.metadata.segment_id", "attributes.metadata.segment_id"],
      prefix: "attributes.metadata.",
    },
    { because: "not there", names: ["attributes.llm.model_name", "old_segment_id"], prefix: null },
    { because: "of no name that could be written into a filter", names: ["{x}.segment_id"], prefix: null },
  ])("are found $because", ({ names, prefix }) => expect(discoveredPrefix(columns(...names))).toBe(prefix));

  test("spell the filters and the measures, and nothing is missing then", () => {
    const { monitors, warnings } = wanted(columns("metadata.segment_id", "metadata.error"));
    expect(monitors).toMatchObject([{ column: "metadata.error", filters: [{ column: "metadata.segment_id" }] }]);
    expect(warnings).toEqual([]);
  });

  test("are spelled as a person says, whatever is found", () => {
    const { monitors, warnings } = wanted(columns("metadata.segment_id"), "attributes.metadata.");
    expect(monitors).toMatchObject([{ filters: [{ column: "attributes.metadata.segment_id" }] }]);
    expect(warnings).toEqual([
      expect.stringContaining("'attributes.metadata.segment_id'"),
      expect.stringContaining("'attributes.metadata.error'"),
    ]);
  });

  test("that could not be read are warned of", () =>
    expect(wanted(null).warnings).toEqual([expect.stringContaining("did not tell its columns")]));
});
