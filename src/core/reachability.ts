import { parse } from "@marcbachmann/cel-js";
import type { Attributes, AttributeValue } from "./attributes.ts";
import type { Policy } from "./policy.ts";
import type { Predicate, PredicateCompiler } from "./predicate.ts";
import { conjuncts, predicateDomains, type Domain } from "./predicate-domain.ts";

/** Requests that are tried for one question; about a tenth of a second. */
const ASSIGNMENTS_MAX = 20_000;

export interface Unreachable {
  /** The segment's place in the policy. */
  readonly index: number;
  /** The earlier segments that take everything it matches; empty when it matches nothing at all. */
  readonly coveredBy: readonly string[];
}

interface Rule {
  readonly id: string;
  readonly when: string;
  readonly predicate: Predicate;
}

/**
 * The segments that no request can reach. Every segment named here is unreachable; where too many requests would have
 * to be tried, or a predicate does more than compare with literals, an unreachable one may go unnamed.
 * @param compile of the policy's attributes; segments whose predicate does not compile are passed over
 */
export function unreachableSegments(policy: Policy, compile: PredicateCompiler): Unreachable[] {
  const rules = policy.segments.map(({ id, when }): Rule | null => {
    const compiled = compile(when);
    return "predicate" in compiled ? { id, when, predicate: compiled.predicate } : null;
  });
  const asts = rules.flatMap((rule) => (rule === null ? [] : [parse(rule.when).ast]));
  const domains = predicateDomains(policy.attributes, asts);
  return rules.flatMap((rule, index) => {
    if (rule === null) return [];
    const earlier = rules.slice(0, index).filter((other) => other !== null);
    const coveredBy = coverOf(rule, earlier, { compile, domains });
    return coveredBy === null ? [] : [{ index, coveredBy }];
  });
}

interface Context {
  readonly compile: PredicateCompiler;
  readonly domains: ReadonlyMap<string, Domain>;
}

/** The ids that cover a rule, or null when it may be reachable. */
function coverOf(rule: Rule, earlier: readonly Rule[], context: Context): readonly string[] | null {
  const same = earlier.find(({ when }) => when.trim() === rule.when.trim());
  if (same !== undefined) return [same.id];
  // Leaving an earlier rule out, or a condition of this one, only makes it look more reachable.
  const coverers = earlier.filter(({ predicate }) => isEnumerable(predicate, context.domains));
  const conditions = enumerableConditions(rule, context);
  const together = cover(conditions, coverers, context.domains);
  if (together !== "too-many") return together;
  for (const coverer of [[], ...coverers.map((other) => [other])]) {
    const found = cover(conditions, coverer, context.domains);
    if (found !== "too-many" && found !== null) return found;
  }
  return null;
}

const isEnumerable = (predicate: Predicate, domains: Context["domains"]): boolean =>
  predicate.refs.every((name) => domains.has(name));

function enumerableConditions(rule: Rule, { compile, domains }: Context): Predicate[] {
  if (isEnumerable(rule.predicate, domains)) return [rule.predicate];
  return conjuncts(rule.when).flatMap((condition) => {
    const compiled = compile(condition);
    return "predicate" in compiled && isEnumerable(compiled.predicate, domains) ? [compiled.predicate] : [];
  });
}

/** The rules that match wherever all conditions hold; null when at some place none of them does. */
function cover(
  conditions: readonly Predicate[],
  coverers: readonly Rule[],
  domains: Context["domains"],
): readonly string[] | null | "too-many" {
  const names = [
    ...new Set([...conditions, ...coverers.map(({ predicate }) => predicate)].flatMap(({ refs }) => refs)),
  ];
  const choices = names.map((name) => domains.get(name) ?? []);
  if (choices.reduce((product, { length }) => product * length, 1) > ASSIGNMENTS_MAX) return "too-many";
  const used = new Set<string>();
  for (const attributes of assignments(names, choices)) {
    if (!conditions.every((condition) => condition.matches(attributes))) continue;
    const first = coverers.find(({ predicate }) => predicate.matches(attributes));
    if (first === undefined) return null;
    used.add(first.id);
  }
  return [...used];
}

/** Every combination of values, one value per name. */
function* assignments(names: readonly string[], choices: readonly Domain[]): Generator<Attributes> {
  const total = choices.reduce((product, { length }) => product * length, 1);
  for (let number = 0; number < total; number++) {
    const attributes: Record<string, AttributeValue> = {};
    let rest = number;
    for (const [i, name] of names.entries()) {
      const domain = choices[i] ?? [];
      const value = domain[rest % domain.length];
      rest = Math.floor(rest / domain.length);
      if (value !== undefined) attributes[name] = value;
    }
    yield attributes;
  }
}
