import type { Attributes } from "./attributes.ts";
import { conditionCompiler, type Condition } from "./condition.ts";
import { assert } from "./errors.ts";
import { DEFAULT_SEGMENT, type Policy, type Segment, type Variant } from "./policy.ts";
import { compilePrompt, promptVariables, type RenderPrompt } from "./prompt.ts";
import { noRowNumbers, rowNumbers, type RowNumbers } from "./row-numbers.ts";
import { segmentIndex, type SegmentIndex } from "./segment-index.ts";
import { rowKey, segmentKey, segmentsOf, servableVariants, type ControlState, type Published } from "./state.ts";
import { finish, type Steps } from "./steps.ts";
import type { Switchover } from "./switchover.ts";

/** A variant ready to serve. */
export interface CompiledVariant {
  readonly id: string;
  readonly variant: Variant;
  readonly render: RenderPrompt | null;
  readonly prompt: CompiledPrompt | null;
}

export interface CompiledPrompt {
  /** `name@version`. */
  readonly ref: string;
  readonly text: string;
  /** The attributes that the template asks for. */
  readonly variables: readonly string[];
}

/** What one segment is served now. */
export interface TableRow {
  readonly segment: Segment;
  /** `policy/segment`, under which the state knows it. */
  readonly key: string;
  readonly predicate: Condition;
  readonly incumbent: string;
  /** The canary in progress, if any. */
  readonly canary: Pick<Switchover, "id" | "change" | "phase"> | null;
  /** What a forced `baseline` serves. */
  readonly fallback: string;
  /** Row numbers for prediction ids, by variant. */
  readonly rowNumbers: ReadonlyMap<string, number>;
  /** For people: why a request is in the segment. */
  readonly because: string;
}

export interface CompiledPolicy {
  readonly policy: Policy;
  readonly variants: ReadonlyMap<string, CompiledVariant>;
  /** In policy order; the implicit default segment is last and matches everything. */
  readonly rows: readonly TableRow[];
  /** Over the rows' predicates, by their positions. */
  readonly index: SegmentIndex;
}

/** What is served now, compiled from the state so that a decision looks nothing up. */
export interface PolicyTable {
  readonly revision: number;
  readonly policies: ReadonlyMap<string, CompiledPolicy>;
  /** Of all rows of the state, taken over from table to table. */
  readonly numbers: RowNumbers;
}

export const emptyTable: PolicyTable = { revision: 0, policies: new Map(), numbers: noRowNumbers };

/** A table and the state that it was compiled from. */
export interface TableOf {
  readonly state: ControlState;
  readonly table: PolicyTable;
}

/** Compiles the table of a state, at once. */
export const compileTable = (state: ControlState, before: TableOf | null = null): PolicyTable =>
  finish(tableSteps(state, before));

/**
 * Compiles the table of a state in steps. Policies that were not published since `before` are taken over with all of their
 * rows but those that moved, so that a canary step costs microseconds; of one that was, what did not change.
 */
export function* tableSteps(state: ControlState, before: TableOf | null): Steps<PolicyTable> {
  let numbers = before?.table.numbers ?? noRowNumbers;
  const policies = new Map<string, CompiledPolicy>();
  for (const [id, published] of Object.entries(state.policies)) {
    const known = before?.table.policies.get(id);
    if (known !== undefined && before?.state.policies[id]?.seq === published.seq) {
      policies.set(
        id,
        moved(known, state, () => true),
      );
      yield known.rows.length / 8;
      continue;
    }
    yield (state.rows.length - numbers.byRow.size) / 4;
    numbers = rowNumbers(state.rows, numbers);
    policies.set(id, yield* policySteps(published, { state, numbers, known }));
  }
  return { revision: state.revision, policies, numbers };
}

/**
 * The policies of a table as they were published when it was compiled, with what moved in them since: what can be served
 * while a newer publication is not compiled yet. The revision stays that of the table.
 */
export function movedTable(table: PolicyTable, state: ControlState): PolicyTable {
  // A newer publication may have given a segment a variant that is not compiled yet.
  const isKnown = (row: TableRow, incumbent: string) => row.rowNumbers.has(incumbent);
  const policies = new Map([...table.policies].map(([id, policy]) => [id, moved(policy, state, isKnown)]));
  const isSame = [...policies].every(([id, policy]) => table.policies.get(id) === policy);
  return isSame ? table : { ...table, policies };
}

function moved(
  policy: CompiledPolicy,
  state: ControlState,
  mayServe: (row: TableRow, incumbent: string) => boolean,
): CompiledPolicy {
  let hasMoved = false;
  const rows = policy.rows.map((row) => {
    const served = servedNow(row.key, state, policy.variants);
    if (served === null || !mayServe(row, served.incumbent)) return row;
    if (served.incumbent === row.incumbent && served.canary === row.canary) return row;
    hasMoved = true;
    return { ...row, ...served };
  });
  return hasMoved ? { ...policy, rows } : policy;
}

/** Null for a segment that a newer publication dropped. */
function servedNow(
  key: string,
  { segments, switchovers }: ControlState,
  variants: CompiledPolicy["variants"],
): Pick<TableRow, "incumbent" | "canary"> | null {
  const current = segments[key];
  if (current === undefined) return null;
  const open = current.open === null ? undefined : switchovers[current.open];
  // A candidate that is not there could not be served: then the incumbent is, whatever the phase says.
  const canary = open?.phase.kind === "canary" && variants.has(open.change.to) ? open : null;
  return { incumbent: current.incumbent, canary };
}

interface PolicyContext {
  readonly state: ControlState;
  readonly numbers: RowNumbers;
  /** As it was published before. */
  readonly known: CompiledPolicy | undefined;
}

function* policySteps({ policy, prompts }: Published, { state, numbers, known }: PolicyContext): Steps<CompiledPolicy> {
  const variants = compileVariants(policy, prompts);
  yield 20 * variants.size;
  const conditions = yield* conditionSteps(policy, known);
  const index = yield* segmentIndex(conditions);
  const rowOf = rowCompiler(policy, variants, { state, numbers });
  const rows: TableRow[] = [];
  for (const [i, segment] of segmentsOf(policy).entries()) {
    rows.push(rowOf(segment, conditions[i]));
    if (i % ROWS_A_PIECE === 0) yield 2 * ROWS_A_PIECE;
  }
  return { policy, variants, rows, index };
}

const ROWS_A_PIECE = 64;

function rowCompiler(
  policy: Policy,
  variants: CompiledPolicy["variants"],
  { state, numbers }: Pick<PolicyContext, "state" | "numbers">,
): (segment: Segment, predicate: Condition | undefined) => TableRow {
  return (segment, predicate) => {
    const key = segmentKey(policy.policy, segment.id);
    const served = servedNow(key, state, variants);
    assert(predicate !== undefined && served !== null, `segment ${key} has no state`);
    return {
      segment,
      key,
      predicate,
      incumbent: served.incumbent,
      canary: served.canary,
      fallback: segment.fallback ?? segment.ladder.at(-1)?.variant ?? policy.default,
      rowNumbers: numbersOf(policy.policy, segment, numbers),
      because:
        segment.id === DEFAULT_SEGMENT ? "no segment matched" : `matched segment '${segment.id}': ${segment.when}`,
    };
  };
}

function numbersOf(policy: string, segment: Segment, { byRow }: RowNumbers): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const variant of servableVariants(segment))
    numbers.set(variant, byRow.get(rowKey(policy, segment.id, variant)) ?? -1);
  return numbers;
}

function compileVariants(policy: Policy, prompts: Published["prompts"]): ReadonlyMap<string, CompiledVariant> {
  return new Map(
    Object.entries(policy.variants).map(([id, variant]): [string, CompiledVariant] => {
      const prompt = variant.prompt === undefined ? undefined : prompts[variant.prompt];
      assert(
        variant.prompt === undefined || prompt !== undefined,
        `prompt ${variant.prompt} was published without its text`,
      );
      const ref = variant.prompt;
      if (prompt === undefined || ref === undefined) return [id, { id, variant, render: null, prompt: null }];
      const { text } = prompt;
      return [
        id,
        { id, variant, render: compilePrompt(text), prompt: { ref, text, variables: promptVariables(text) } },
      ];
    }),
  );
}

function* conditionSteps(policy: Policy, known: CompiledPolicy | undefined): Steps<readonly Condition[]> {
  const compile = conditionCompiler(policy.attributes);
  // A condition means its text over the declared attributes, wherever and how often it stands.
  const isComparable = JSON.stringify(known?.policy.attributes) === JSON.stringify(policy.attributes);
  const compiled = new Map(isComparable ? known?.rows.map((row) => [row.segment.when, row.predicate]) : []);
  const conditions: Condition[] = [];
  for (const { id, when } of segmentsOf(policy)) {
    let condition = compiled.get(when);
    if (condition === undefined) {
      condition = compile(when) ?? undefined;
      assert(condition !== undefined, `predicate of ${id} was published with a fault`);
      compiled.set(when, condition);
      yield condition.rest === null ? 3 : 8;
    }
    conditions.push(condition);
  }
  return conditions;
}

/** The first segment, in policy order, whose predicate matches. */
export function matchSegment(policy: CompiledPolicy, attributes: Attributes): TableRow {
  const row = policy.rows[policy.index.firstMatch(attributes)];
  assert(row !== undefined, `policy ${policy.policy.policy} has no ${DEFAULT_SEGMENT} segment`);
  return row;
}
