import { RouterError } from "../core/errors.ts";
import { nearestName } from "../core/nearest-name.ts";
import { named } from "./outcome-columns.ts";

const LISTED_MAX = 10;
const NEAREST_MAX = 3;

/**
 * The place of the segment that a person means: by its name, or by a part of it that no other has, in small or capital letters.
 * @param names of the segments that take part
 * @param leftOut names of those that are in the tables but take no part
 * @throws RouterError `not_found` with the nearest names, `invalid_request` with those that the part fits
 */
export function findSegment(wanted: string, names: readonly string[], leftOut: readonly string[] = []): number {
  const exact = names.indexOf(wanted);
  if (exact !== -1) return exact;
  const fits = (name: string): boolean => name.toLowerCase().includes(wanted.toLowerCase());
  const found = names.flatMap((name, place) => (fits(name) ? [place] : []));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  if (others.length > 0) {
    const all = listed(found.map((place) => names[place] ?? ""));
    throw new RouterError(
      "invalid_request",
      `${named(wanted)} fits ${found.length} segments: ${all}. Name one of them.`,
      {
        reason: "ambiguous_segment",
      },
    );
  }
  throw new RouterError("not_found", unknownSegment(wanted, names, leftOut.find(fits)), { reason: "unknown_segment" });
}

function unknownSegment(wanted: string, names: readonly string[], leftOut: string | undefined): string {
  if (leftOut !== undefined)
    return `The segment ${named(leftOut)} is in the tables, but the scenario's 'segments' leaves it out. It takes in: ${listed(names)}.`;
  const near = nearestNames(wanted, names);
  const guess = near.length === 0 ? "" : ` Did you mean ${near.map(named).join(" or ")}?`;
  return `No segment is called ${named(wanted)}.${guess} There are: ${listed(names)}.`;
}

/** The nearest first. */
function nearestNames(wanted: string, names: readonly string[]): readonly string[] {
  const near: string[] = [];
  while (near.length < NEAREST_MAX) {
    const next = nearestName(
      wanted,
      names.filter((name) => !near.includes(name)),
    );
    if (next === null) break;
    near.push(next);
  }
  return near;
}

const listed = (names: readonly string[]): string =>
  names.slice(0, LISTED_MAX).map(named).join(", ") +
  (names.length > LISTED_MAX ? ` and ${names.length - LISTED_MAX} more` : "");
