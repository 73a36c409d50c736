import { RouterError } from "../core/errors.ts";
import { suggest } from "../core/nearest-name.ts";
import type { Policy } from "../core/policy.ts";
import { named } from "./outcome-columns.ts";
import type { OutcomeTable } from "./outcome-table.ts";

/** A column of the outcome table whose cells are the values of an attribute of the policies. */
export interface ColumnAttribute {
  readonly column: string;
  readonly attribute: string;
}

export const SEGMENT_COLUMN = "segment";

/**
 * Reads `NAME` (of the segment column) and `COLUMN=NAME`, several separated by commas.
 * @throws RouterError `invalid_request` for anything else, or for an attribute that is named twice
 */
export function columnAttributes(texts: readonly string[]): ColumnAttribute[] {
  const read = texts.flatMap((text) => text.split(",")).map(readOne);
  const twice = read.find(({ attribute }, i) => read.findIndex((one) => one.attribute === attribute) < i);
  if (twice !== undefined)
    throw refuse(`--attribute names ${named(twice.attribute)} twice. Take its value from one column.`);
  return read;
}

function readOne(text: string): ColumnAttribute {
  const parts = text.split("=").map((part) => part.trim());
  const [column = "", attribute = ""] = parts.length === 1 ? [SEGMENT_COLUMN, ...parts] : parts;
  if (parts.length > 2 || column === "" || attribute === "")
    throw refuse(`--attribute takes NAME or COLUMN=NAME, several separated by commas, not ${named(text)}.`);
  return { column, attribute };
}

/** @throws RouterError `invalid_request` when no table has the column, or none of the policies the attribute */
export function checkColumnAttributes(
  wanted: readonly ColumnAttribute[],
  table: OutcomeTable,
  policies: readonly Policy[],
): void {
  const columns = [...new Set([SEGMENT_COLUMN, ...table.segments.flatMap(({ attributes }) => [...attributes.keys()])])];
  const attributes = [...new Set(policies.flatMap((policy) => Object.keys(policy.attributes)))];
  for (const { column, attribute } of wanted) {
    if (!columns.includes(column))
      throw refuse(
        `No table has a column ${named(column)} that describes items. ${suggest(column, columns, "columns that do")}`,
      );
    if (!attributes.includes(attribute))
      throw refuse(
        `No policy declares the attribute ${named(attribute)}. ${suggest(attribute, attributes, "attributes")}`,
      );
  }
}

const refuse = (message: string): RouterError =>
  new RouterError("invalid_request", message, { param: "attribute", reason: "invalid_attribute" });
