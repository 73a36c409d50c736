import { RouterError } from "../core/errors.ts";
import { matchesGlob } from "./glob.ts";
import type { OutcomeTable, TableSegment } from "./outcome-table.ts";
import { seededRandom, type Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";

/** One segment of the table in its part: who serves it, and which rungs stand behind. Models are places in `table.models`. */
export interface CastSegment {
  readonly table: TableSegment;
  /** True mean score of each model over the segment's items. */
  readonly means: readonly number[];
  readonly primary: number;
  /** The primary first, then the others by validation, best first. */
  readonly ladder: readonly number[];
  /** What offline validation says of each model: its mean score over `validationItems` random items. */
  readonly validated: readonly number[];
  readonly validationItems: number;
}

/**
 * Who plays what: the scenario's segments with their primaries and ladders. The same seed casts alike.
 * @throws RouterError `invalid_request` when no segment is left, or the scenario names a model or segment that is not there
 */
export function castSegments(
  table: OutcomeTable,
  scenario: Scenario,
  seed: number,
): { readonly segments: readonly CastSegment[]; readonly notes: readonly string[] } {
  const random = seededRandom(seed, "cast");
  const notes: string[] = [];
  const segments: CastSegment[] = [];
  checkNames(table, scenario);
  const { only, minVariants, minMean } = scenario.segments;
  for (const segment of table.segments) {
    // Drawn for every segment, so that leaving one out changes nothing for the others.
    const cast = castOne(segment, scenario, random);
    if (only !== undefined && !only.some((glob) => matchesGlob(segment.id, glob))) continue;
    const best = Math.max(...cast.means);
    const where = `segment '${segment.id}' (${segment.line.file}:${segment.line.line})`;
    if (segment.models.length < minVariants) {
      const few = segment.models.length === 1 ? "only one variant" : `${segment.models.length} variants`;
      notes.push(`${where} has ${few}, ${minVariants} are needed: left out`);
    } else if (segment.items === 0) notes.push(`${where} has no item that all its variants are known for: left out`);
    else if (best < minMean)
      notes.push(`${where} has no variant with a mean of ${minMean} or more (best: ${best.toFixed(3)}): left out`);
    else segments.push(cast);
  }
  if (segments.length === 0)
    throw new RouterError(
      "invalid_request",
      ["No segment of the tables takes part in the scenario.", ...notes.slice(0, 5)].join(" "),
      { reason: "no_segments" },
    );
  return { segments, notes };
}

function castOne(table: TableSegment, { primary, ladder: { order, items } }: Scenario, random: Random): CastSegment {
  const means = table.scores.map(mean);
  const chosen = Array.from({ length: Math.min(items, table.items) }, () => Math.floor(random() * table.items));
  const validated = table.scores.map((scores) => mean(chosen.map((item) => scores[item] ?? 0)));
  const top = primaryOf(table, means, primary);
  const others = table.models.map((_, model) => model).filter((model) => model !== top);
  const rank = (model: number): number => {
    if (order === "validation") return -(validated[model] ?? 0);
    const place = order.indexOf(table.models[model] ?? "");
    return place === -1 ? order.length : place;
  };
  const ladder = [top, ...others.sort((a, b) => rank(a) - rank(b) || a - b)];
  return { table, means, primary: top, ladder, validated, validationItems: chosen.length };
}

function primaryOf(table: TableSegment, means: readonly number[], primary: Scenario["primary"]): number {
  const best = means.indexOf(Math.max(...means));
  const named = typeof primary === "string" ? primary : primary[table.id];
  if (named === undefined || named === "best") return best;
  const place = table.models.indexOf(named);
  return place === -1 ? best : place;
}

function checkNames({ segments }: OutcomeTable, { primary, ladder }: Scenario): void {
  const models = new Set(segments.flatMap((segment) => segment.models));
  const named = [
    ...(typeof primary === "string" ? [primary] : Object.values(primary)).filter((name) => name !== "best"),
    ...(ladder.order === "validation" ? [] : ladder.order),
  ];
  for (const name of named)
    if (!models.has(name))
      throw new RouterError(
        "invalid_request",
        `The scenario names the model '${name}', which is in none of the tables. Models: ${[...models].slice(0, 20).join(", ")}.`,
        { reason: "unknown_model" },
      );
  if (typeof primary === "string") return;
  const known = new Set(segments.map(({ id }) => id));
  for (const id of Object.keys(primary))
    if (!known.has(id))
      throw new RouterError(
        "invalid_request",
        `The scenario's 'primary' names the segment '${id}', which is in none of the tables.`,
        {
          reason: "unknown_segment",
        },
      );
}

const mean = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0;
  return values.length === 0 ? 0 : sum / values.length;
};
