import type { Attributes, AttributeValue } from "./attributes.ts";
import { TEXT_MAX, type Condition } from "./slice.ts";

/**
 * The conditions that slices are made of. Each attribute is divided into levels, of which an answer has one: its values, or
 * ranges of a number, and that it is absent. A condition holds for a run of neighbouring levels of one attribute.
 */
export interface Conditions {
  readonly list: readonly { readonly condition: Condition; readonly attribute: number; readonly levels: Run }[];
  /** By attribute, the first of its levels and the one behind its last: levels are numbered through. */
  readonly attributes: readonly Run[];
  /** How many levels there are. */
  readonly levels: number;
  /** By attribute; -1 for a value that groups too few answers to be a level. */
  readonly levelsOf: (answer: Attributes) => readonly number[];
}

/** From the first on, below the second. */
export type Run = readonly [from: number, to: number];

/** An attribute of more values than this names answers, it does not group them. */
const VALUES_MAX = 30;
/** Of such an attribute only a value that so many of the degraded answers share is a level. */
const SHARE_MIN = 0.05;
/** A number of at most so many values is divided by value, any other into so many ranges between the healthy answers' quantiles. */
const RANGES = 8;

/** One attribute, its levels numbered from 0. */
interface Division {
  readonly conditions: readonly { readonly condition: Condition; readonly levels: Run }[];
  readonly count: number;
  readonly levelOf: (value: AttributeValue | undefined) => number;
}

/**
 * In an order that depends on names and values alone.
 * @param healthy the answers whose numbers set the quantiles
 */
export function conditionsOf(healthy: readonly Attributes[], degraded: readonly Attributes[]): Conditions {
  const all = new Set([...healthy, ...degraded].flatMap((answer) => Object.keys(answer)));
  const names = [...all].filter((name) => name.length <= TEXT_MAX).sort();
  const valuesOf = (answers: readonly Attributes[], name: string): Values => answers.map((one) => valueOf(one, name));
  const divisions = names.map((name) => divide(name, valuesOf(healthy, name), valuesOf(degraded, name)));
  let count = 0;
  const attributes = divisions.map((division): Run => [count, (count += division.count)]);
  const firstOf = (attribute: number): number => attributes[attribute]?.[0] ?? 0;
  return {
    attributes,
    levels: count,
    list: divisions.flatMap(({ conditions }, attribute) =>
      conditions.map(({ condition, levels: [from, to] }) => {
        const first = firstOf(attribute);
        return { condition, attribute, levels: [first + from, first + to] as const };
      }),
    ),
    levelsOf: (answer) =>
      divisions.map(({ levelOf }, attribute) => {
        const level = levelOf(valueOf(answer, names[attribute] ?? ""));
        return level < 0 ? level : firstOf(attribute) + level;
      }),
  };
}

/** @param levels of an answer */
export function holds({ list }: Conditions, place: number, levels: readonly number[]): boolean {
  const found = list[place];
  if (found === undefined) return false;
  const level = levels[found.attribute] ?? -1;
  return found.levels[0] <= level && level < found.levels[1];
}

type Values = readonly (AttributeValue | undefined)[];

function valueOf(answer: Attributes, name: string): AttributeValue | undefined {
  const value = Object.hasOwn(answer, name) ? answer[name] : undefined;
  return typeof value === "number" && !Number.isFinite(value) ? undefined : value;
}

const isNumber = (value: unknown): value is number => typeof value === "number";

function divide(attribute: string, healthy: Values, degraded: Values): Division {
  const present = [...healthy, ...degraded].filter((value) => value !== undefined);
  if (!present.every(isNumber)) return divideByValue(attribute, present, degraded);
  const distinct = [...new Set(present)].sort((a, b) => a - b);
  if (distinct.length <= RANGES) return divideByRange(attribute, distinct, true);
  return divideByRange(attribute, quantiles(healthy.filter(isNumber), degraded.filter(isNumber)), false);
}

function divideByValue(attribute: string, present: readonly AttributeValue[], degraded: Values): Division {
  const counts = new Map<AttributeValue, number>(present.map((value) => [value, 0]));
  for (const value of degraded) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  const needed = counts.size > VALUES_MAX ? SHARE_MIN * degraded.length : 0;
  const values = [...counts].flatMap(([value, count]) => (count >= needed && isShort(value) ? [value] : []));
  values.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  const places = new Map<AttributeValue, number>(values.map((value, place) => [value, place]));
  const conditions = values.map((value, place) => ({
    condition: { attribute, value },
    levels: [place, place + 1] as const,
  }));
  return {
    conditions: [...conditions, absence(attribute, values.length)],
    count: values.length + 1,
    levelOf: (value) => (value === undefined ? values.length : (places.get(value) ?? -1)),
  };
}

const isShort = (value: AttributeValue): boolean => typeof value !== "string" || value.length <= TEXT_MAX;
const orderOf = (value: AttributeValue): string => `${typeof value} ${value}`;

const absence = (attribute: string, level: number) =>
  ({ condition: { attribute, absent: true }, levels: [level, level + 1] }) as const;

/** Where ranges begin: at the quantiles of the healthy numbers, and where numbers lie beyond all of these. */
function quantiles(healthy: readonly number[], degraded: readonly number[]): number[] {
  const sorted = healthy.toSorted((a, b) => a - b);
  const [least = Infinity, greatest = Infinity] = [sorted[0], sorted.at(-1)];
  const starts = Array.from({ length: RANGES }, (_, part) => sorted[Math.floor((part * sorted.length) / RANGES)]);
  const below = smallest(degraded.filter((value) => value < least));
  const above = smallest(degraded.filter((value) => value > greatest));
  return [...new Set([...starts, below, above])].filter((start) => start !== undefined).sort((a, b) => a - b);
}

const smallest = (values: readonly number[]): number | undefined => values.toSorted((a, b) => a - b)[0];

/** @param starts ascending; every run of neighbouring ranges is a condition */
function divideByRange(attribute: string, starts: readonly number[], isByValue: boolean): Division {
  const runs = starts.flatMap((_, from) => starts.slice(from).map((_, more): Run => [from, from + more + 1]));
  const conditions = runs.map((levels) => {
    const [from, to] = levels;
    const start = starts[from] ?? 0;
    if (isByValue && to === from + 1) return { condition: { attribute, value: start }, levels };
    return { condition: { attribute, from: from === 0 ? null : start, to: starts[to] ?? null }, levels };
  });
  return {
    conditions: [...conditions, absence(attribute, starts.length)],
    count: starts.length + 1,
    // What lies below the first start belongs to the first range, which is open.
    levelOf: (value) =>
      isNumber(value)
        ? Math.max(
            0,
            starts.findLastIndex((start) => start <= value),
          )
        : starts.length,
  };
}
