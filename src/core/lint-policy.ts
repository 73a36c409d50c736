import { error, warning, type Fault, type Finding } from "./fault.ts";
import { lintPrivacy } from "./lint-privacy.ts";
import { suggest } from "./nearest-name.ts";
import { DEFAULT_SEGMENT, type AttributeSpec, type JudgeModel, type Policy } from "./policy.ts";
import type { LintSubject } from "./policy-source.ts";
import { predicateCompiler } from "./predicate.ts";
import { quote } from "./quote.ts";

/** Faults of what a policy declares: names, attributes, metrics, variants and canary steps. */
export const lintPolicy = (subject: LintSubject): Fault[] => [
  ...lintNames(subject),
  ...lintAttributes(subject),
  ...lintMetrics(subject),
  ...lintVariants(subject),
  ...lintCanary(subject),
  ...lintPrivacy(subject),
];

/** Every plain object has this member, so a lookup by that name would find something that nobody declared. */
const INHERITED = "constructor";

function lintNames({ policy, fault }: LintSubject): Fault[] {
  const reserved = (name: string): Finding =>
    error("reserved-name", `the name '${name}' is reserved`, "Choose another name.");
  const faults = policy.policy === INHERITED ? [fault(["policy"], reserved(INHERITED))] : [];
  for (const kind of ["attributes", "metrics", "variants"] as const)
    if (Object.hasOwn(policy[kind], INHERITED))
      faults.push(fault([kind, INHERITED], reserved(INHERITED), { key: true }));
  const seen = new Set<string>();
  for (const [i, { id }] of policy.segments.entries()) {
    const path = ["segments", i, "id"];
    if (id === DEFAULT_SEGMENT || id === INHERITED) faults.push(fault(path, reserved(id)));
    if (seen.has(id))
      faults.push(
        fault(
          path,
          error("duplicate-segment", `there are two segments '${id}'`, "Give each segment an id of its own."),
        ),
      );
    seen.add(id);
  }
  return faults;
}

/** True when predicates can read an attribute of this name; CEL keeps some words, such as `in`, to itself. */
export function isReadable(name: string): boolean {
  try {
    const compiled = predicateCompiler({ [name]: { type: "boolean", trust: "client" } })(name);
    return "predicate" in compiled && compiled.predicate.refs.includes(name);
  } catch {
    // The compiler refuses the declaration itself.
    return false;
  }
}

const lintAttributes = ({ policy, fault }: LintSubject): Fault[] =>
  Object.entries(policy.attributes).flatMap(([name, spec]) => {
    const faults: Fault[] = [];
    if (!isReadable(name))
      faults.push(
        fault(
          ["attributes", name],
          error(
            "reserved-name",
            `no predicate can read an attribute called '${name}', a word of CEL`,
            "Choose another name.",
          ),
          { key: true },
        ),
      );
    if (spec.values !== undefined && spec.type !== "string")
      faults.push(
        fault(
          ["attributes", name, "values"],
          error(
            "attribute-values",
            `'values' of '${name}' lists strings, but the attribute is a ${spec.type}`,
            "Remove 'values', or make the attribute a string.",
          ),
        ),
      );
    const wrong = wrongDefault(name, spec);
    if (wrong !== null) faults.push(fault(["attributes", name, "default"], wrong));
    return faults;
  });

function wrongDefault(name: string, spec: AttributeSpec): Finding | null {
  if (spec.default === undefined) return null;
  const found = quote(spec.default, 80);
  if (typeof spec.default !== spec.type)
    return error(
      "attribute-default",
      `the default of '${name}' is ${found}, not a ${spec.type}`,
      `Write a ${spec.type}.`,
    );
  if (spec.values === undefined || spec.values.includes(String(spec.default))) return null;
  return error(
    "attribute-default",
    `the default of '${name}' is ${found}, which is not in its 'values'`,
    suggest(String(spec.default), spec.values, "values"),
  );
}

const lintMetrics = ({ policy, fault }: LintSubject): Fault[] =>
  Object.entries(policy.metrics).flatMap(([name, spec]) => {
    switch (spec.from) {
      case "judge": {
        const judged = variantsOf(policy, spec.model);
        return judged.length === 0 ? [] : [fault(["metrics", name, "model"], judgesItself(name, judged))];
      }
      case "feedback":
      case "error":
      case "latency":
      case "cost":
      case "check":
        return [];
    }
  });

/** Models rate their own answers higher than people do (Panickssery et al. 2024, "LLM Evaluators Recognize and Favor Their Own Generations"). */
const judgesItself = (name: string, variants: readonly string[]): Finding =>
  warning(
    "judges-itself",
    `'${name}' is judged by the model that serves ${variants.map((variant) => `'${variant}'`).join(", ")}, and a model favours its own answers`,
    "Take a model that serves no variant of the policy.",
  );

/** The variants that a model can serve. */
const variantsOf = ({ variants }: Policy, { provider, model }: JudgeModel): string[] =>
  Object.entries(variants).flatMap(([name, variant]) =>
    [variant, ...variant.failover].some((target) => target.provider === provider && target.model === model)
      ? [name]
      : [],
  );

/** The variant names that something may serve or call, each with the path that names it. */
function variantUses(policy: Policy): { readonly variant: string; readonly path: (string | number)[] }[] {
  return [
    { variant: policy.default, path: ["default"] },
    ...policy.segments.flatMap(({ ladder, fallback, shadow }, i) => [
      ...ladder.map(({ variant }, j) => ({ variant, path: ["segments", i, "ladder", j, "variant"] })),
      ...(fallback === undefined ? [] : [{ variant: fallback, path: ["segments", i, "fallback"] }]),
      ...(shadow === undefined ? [] : [{ variant: shadow.variant, path: ["segments", i, "shadow", "variant"] }]),
    ]),
  ];
}

function lintVariants({ policy, fault }: LintSubject): Fault[] {
  const uses = variantUses(policy);
  const names = Object.keys(policy.variants);
  const unknown = uses
    .filter(({ variant }) => !Object.hasOwn(policy.variants, variant))
    .map(({ variant, path }) =>
      fault(path, error("unknown-variant", `there is no variant '${variant}'`, suggest(variant, names, "variants"))),
    );
  const used = new Set(uses.map(({ variant }) => variant));
  const unused = names
    .filter((name) => !used.has(name))
    .map((name) =>
      fault(
        ["variants", name],
        warning(
          "unused-variant",
          `no segment can be served the variant '${name}'`,
          "Put it on a ladder, or remove it.",
        ),
        { key: true },
      ),
    );
  return [...unknown, ...unused];
}

function lintCanary({ policy, fault }: LintSubject): Fault[] {
  const steps = policy.canary.steps ?? [];
  return steps.flatMap(({ share }, i) => {
    const before = steps[i - 1]?.share;
    if (before === undefined || share > before) return [];
    const found = error(
      "canary-steps",
      `canary step ${i + 1} has share ${share}, not more than the ${before} before it`,
      "Let the shares ascend from step to step.",
    );
    return [fault(["canary", "steps", i, "share"], found)];
  });
}
