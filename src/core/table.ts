import { assert } from "./errors.ts";
import type { Attributes } from "./attributes.ts";
import { DEFAULT_SEGMENT, type Policy, type Segment, type Variant } from "./policy.ts";
import { predicateCompiler, type Predicate } from "./predicate.ts";
import { compilePrompt, type RenderPrompt } from "./prompt.ts";
import { rowKey, segmentKey, segmentsOf, servableVariants, type ControlState } from "./state.ts";
import type { Switchover } from "./switchover.ts";

/** A variant ready to serve. */
export interface CompiledVariant {
  readonly id: string;
  readonly variant: Variant;
  readonly render: RenderPrompt | null;
}

/** What one segment is served now. */
export interface TableRow {
  readonly segment: Segment;
  readonly predicate: Predicate;
  readonly incumbent: string;
  /** The canary in progress, if any. */
  readonly canary: Pick<Switchover, "id" | "change" | "phase"> | null;
  /** What a forced `baseline` serves. */
  readonly fallback: string;
  /** Row numbers for prediction ids, by variant. */
  readonly rowNumbers: ReadonlyMap<string, number>;
}

export interface CompiledPolicy {
  readonly policy: Policy;
  readonly variants: ReadonlyMap<string, CompiledVariant>;
  /** In policy order; the implicit default segment is last and matches everything. */
  readonly rows: readonly TableRow[];
}

/** What is served now, compiled from the state so that a decision looks nothing up. */
export interface PolicyTable {
  readonly revision: number;
  readonly policies: ReadonlyMap<string, CompiledPolicy>;
}

export const emptyTable: PolicyTable = { revision: 0, policies: new Map() };

/**
 * Compiles the table of a state. Predicates and prompts of a policy that did not change since
 * `before` are taken over, so that a canary step costs microseconds.
 */
export function compileTable(
  state: ControlState,
  before: { state: ControlState; table: PolicyTable } | null = null,
): PolicyTable {
  const numbers = new Map(state.rows.map((row, number) => [row, number]));
  const policies = new Map<string, CompiledPolicy>();
  for (const [id, published] of Object.entries(state.policies)) {
    const known = before?.state.policies[id]?.seq === published.seq ? before.table.policies.get(id) : undefined;
    const variants = known?.variants ?? compileVariants(published.policy, published.prompts);
    const predicates = known?.rows.map((row) => row.predicate) ?? compilePredicates(published.policy);
    const rows = segmentsOf(published.policy).map((segment, i): TableRow => {
      const predicate = predicates[i];
      const current = state.segments[segmentKey(id, segment.id)];
      assert(predicate !== undefined && current !== undefined, `segment ${id}/${segment.id} has no state`);
      const open = current.open === null ? undefined : state.switchovers[current.open];
      const ids = servableVariants(segment);
      return {
        segment,
        predicate,
        incumbent: current.incumbent,
        // A candidate that is not there could not be served: then the incumbent is, whatever the phase says.
        canary: open?.phase.kind === "canary" && variants.has(open.change.to) ? open : null,
        fallback: segment.fallback ?? segment.ladder.at(-1)?.variant ?? published.policy.default,
        rowNumbers: new Map([...ids].map((variant) => [variant, numbers.get(rowKey(id, segment.id, variant)) ?? -1])),
      };
    });
    policies.set(id, { policy: published.policy, variants, rows });
  }
  return { revision: state.revision, policies };
}

function compileVariants(
  policy: Policy,
  prompts: ControlState["policies"][string]["prompts"],
): ReadonlyMap<string, CompiledVariant> {
  return new Map(
    Object.entries(policy.variants).map(([id, variant]) => {
      const prompt = variant.prompt === undefined ? undefined : prompts[variant.prompt];
      assert(
        variant.prompt === undefined || prompt !== undefined,
        `prompt ${variant.prompt} was published without its text`,
      );
      return [id, { id, variant, render: prompt === undefined ? null : compilePrompt(prompt.text) }];
    }),
  );
}

function compilePredicates(policy: Policy): Predicate[] {
  const compile = predicateCompiler(policy.attributes);
  return segmentsOf(policy).map((segment) => {
    const compiled = compile(segment.when);
    assert("predicate" in compiled, `predicate of ${segment.id} was published with a fault`);
    return compiled.predicate;
  });
}

/** The first segment, in policy order, whose predicate matches. */
export function matchSegment(policy: CompiledPolicy, attributes: Attributes): TableRow {
  const row = policy.rows.find(({ predicate }) => predicate.matches(attributes));
  assert(row !== undefined, `policy ${policy.policy.policy} has no ${DEFAULT_SEGMENT} segment`);
  return row;
}
