import { resolveAttributes } from "../core/attributes.ts";
import { RouterError } from "../core/errors.ts";
import { matchSegment, type CompiledPolicy, type TableRow } from "../core/table.ts";
import { SEGMENT_COLUMN, type ColumnAttribute } from "./column-attributes.ts";
import { named } from "./outcome-columns.ts";
import type { OutcomeTable, TableSegment } from "./outcome-table.ts";

/** A policy before and after a change; null where there is none. */
export interface PolicyPair {
  readonly before: CompiledPolicy | null;
  readonly after: CompiledPolicy | null;
}

/** The items of the table that fall into the same segment before, and into the same one after. */
export interface ItemRoute {
  /** Null where it cannot be told which segment serves them. */
  readonly before: TableRow | null;
  readonly after: TableRow | null;
  readonly picks: readonly ItemPick[];
}

/** Items of one segment of the table, by their index. */
export interface ItemPick {
  readonly segment: TableSegment;
  readonly items: readonly number[];
}

export interface UnmappedItems {
  /** The table's segment. */
  readonly segment: string;
  readonly items: number;
  readonly because: string;
}

export interface ItemRoutes {
  readonly routes: readonly ItemRoute[];
  /** Items that fall into no segment, neither before nor after. */
  readonly unmapped: readonly UnmappedItems[];
  readonly notes: readonly string[];
}

/** What the table says of some items. */
interface Described {
  /** Their segment's id in the table. */
  readonly id: string;
  /** By attribute. */
  readonly values: Readonly<Record<string, string>>;
  readonly attributes: readonly ColumnAttribute[];
}

type Found = { readonly row: TableRow } | { readonly row: null; readonly because: string };

/**
 * Where the table's items go, before and after. A segment of the table is the policy's segment of that id; where the segment
 * column is an attribute, the predicates decide, as they would for a request with the item's attributes; an id counts then
 * only where the attribute does not allow it as a value.
 */
export function itemRoutes(
  { before, after }: PolicyPair,
  table: OutcomeTable,
  attributes: readonly ColumnAttribute[],
): ItemRoutes {
  const routes = new Map<string, { before: TableRow | null; after: TableRow | null; picks: ItemPick[] }>();
  const unmapped: UnmappedItems[] = [];
  const notes = new Set<string>();
  for (const segment of table.segments) {
    for (const { values, items } of alike(segment, attributes)) {
      const described = { id: segment.id, values, attributes };
      const was = find(before, described);
      const becomes = find(after, described);
      if (was.row === null && becomes.row === null) {
        addUnmapped(unmapped, { segment: segment.id, items: items.length, because: becomes.because });
        continue;
      }
      for (const [policy, { row }] of [[before, was] as const, [after, becomes] as const])
        if (row !== null && row.segment.id !== segment.id && rowOf(policy, segment.id) !== undefined)
          notes.add(
            `the table's segment ${named(segment.id)} has the name of one of the policy, but by their attributes items of it fall into '${row.segment.id}'`,
          );
      const key = `${was.row?.segment.id ?? ""}→${becomes.row?.segment.id ?? ""}`;
      let route = routes.get(key);
      if (route === undefined) routes.set(key, (route = { before: was.row, after: becomes.row, picks: [] }));
      route.picks.push({ segment, items });
    }
  }
  return {
    routes: [...routes.values()],
    unmapped,
    notes: [...notes, ...(attributes.length === 0 ? [] : unknownAttributes({ before, after }, attributes))],
  };
}

/** The items of a segment by the values of their attributes. */
function alike(segment: TableSegment, attributes: readonly ColumnAttribute[]) {
  const groups = new Map<string, { readonly values: Readonly<Record<string, string>>; readonly items: number[] }>();
  const columns = attributes.map(({ column, attribute }) => ({
    attribute,
    cells: segment.attributes.get(column),
    column,
  }));
  for (let item = 0; item < segment.items; item++) {
    const values: Record<string, string> = {};
    for (const { attribute, cells, column } of columns) {
      const value = column === SEGMENT_COLUMN ? segment.id : String(cells?.[item] ?? "");
      if (value !== "") values[attribute] = value;
    }
    const key = JSON.stringify(values);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { values, items: [] }));
    group.items.push(item);
  }
  return groups.values();
}

/** The segment that a version of the policy puts the items into. */
function find(policy: CompiledPolicy | null, { id, values, attributes }: Described): Found {
  if (policy === null) return { row: null, because: "there is no such policy" };
  const own = rowOf(policy, id);
  const declared = attributes.filter(({ attribute }) => Object.hasOwn(policy.policy.attributes, attribute));
  if (own !== undefined && !declared.some(({ column }) => column === SEGMENT_COLUMN)) return { row: own };
  if (declared.length === 0) return { row: null, because: "no segment of the policy has that name" };
  try {
    // A claim may set every attribute: what a request may set is not the question here.
    return { row: matchSegment(policy, resolveAttributes(policy.policy.attributes, { claim: values })) };
  } catch (thrown) {
    if (!(thrown instanceof RouterError)) throw thrown;
    return own === undefined ? { row: null, because: thrown.message.replace(/\.$/, "") } : { row: own };
  }
}

const rowOf = (policy: CompiledPolicy | null, segment: string): TableRow | undefined =>
  policy?.rows.find((row) => row.segment.id === segment);

function addUnmapped(unmapped: UnmappedItems[], more: UnmappedItems): void {
  const place = unmapped.findIndex((one) => one.segment === more.segment && one.because === more.because);
  const known = unmapped[place];
  if (known === undefined) unmapped.push(more);
  else unmapped[place] = { ...known, items: known.items + more.items };
}

/** The attributes that predicates read and no column gives: what items count as then is said, not guessed. */
function unknownAttributes({ before, after }: PolicyPair, attributes: readonly ColumnAttribute[]): string[] {
  const given = new Set(attributes.map(({ attribute }) => attribute));
  const readers = new Map<string, Set<string>>();
  for (const policy of [after, before])
    for (const { segment, predicate } of policy?.rows ?? [])
      for (const name of predicate.refs.filter((ref) => !given.has(ref)))
        readers.set(name, (readers.get(name) ?? new Set()).add(segment.id));
  return [...readers].map(([name, segments]) => {
    const value = (after?.policy.attributes[name] ?? before?.policy.attributes[name])?.default;
    const counts = value === undefined ? "as without it" : `with its default ${named(String(value))}`;
    return `no column gives the attribute '${name}', which decides who falls into ${[...segments].join(", ")}: every item counts ${counts}`;
  });
}
