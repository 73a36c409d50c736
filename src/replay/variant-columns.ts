import { digestOf } from "../core/digest.ts";
import type { Variant } from "../core/policy.ts";
import { named } from "./outcome-columns.ts";
import type { OutcomeTable, TableSegment } from "./outcome-table.ts";

export interface VariantColumns {
  /** The place of the variant's outcomes among the segment's models; null when it has none there. */
  readonly columnOf: (segment: TableSegment, variant: string) => number | null;
  /** Models of the table that stand for no variant, or for several that differ. */
  readonly notes: readonly string[];
}

/**
 * Which of the table's models are the policy's variants: a model is the variant that has it as its id, else those whose
 * `provider/model` or `model` it is. Variants of one model that differ in prompt, provider or parameters cannot share its
 * outcomes, so of them only the ids count.
 */
export function variantColumns(variants: Readonly<Record<string, Variant>>, table: OutcomeTable): VariantColumns {
  const names = new Map(
    Object.entries(variants).map(([id, variant]) => [
      id,
      namesOf(id, variant).filter((name) => standsFor(variants, name).includes(id) && !isAmbiguous(variants, name)),
    ]),
  );
  const models = [...new Set(table.segments.flatMap((segment) => segment.models))];
  const foreign = models.filter((model) => standsFor(variants, model).length === 0);
  return {
    columnOf: (segment, variant) => {
      const name = names.get(variant)?.find((one) => segment.models.includes(one));
      return name === undefined ? null : segment.models.indexOf(name);
    },
    notes: [
      ...(foreign.length === 0 ? [] : [`models that are no variant of the policy: ${listed(foreign)}`]),
      ...models
        .filter((model) => isAmbiguous(variants, model))
        .map(
          (model) =>
            `the model ${named(model)} is that of several variants which differ (${standsFor(variants, model).join(", ")}), ` +
            "so its outcomes count for none: name a variant's id in the table",
        ),
    ],
  };
}

const namesOf = (id: string, { provider, model }: Variant): string[] => [id, `${provider}/${model}`, model];

function standsFor(variants: Readonly<Record<string, Variant>>, name: string): string[] {
  if (Object.hasOwn(variants, name)) return [name];
  return Object.entries(variants).flatMap(([id, variant]) => (namesOf(id, variant).includes(name) ? [id] : []));
}

/** Whether the variants that a name could stand for answer differently. What comes after a failure does not matter: the table names the model that answered. */
function isAmbiguous(variants: Readonly<Record<string, Variant>>, name: string): boolean {
  const contents = standsFor(variants, name).map((id) =>
    digestOf({ ...variants[id], description: undefined, failover: undefined }),
  );
  return new Set(contents).size > 1;
}

const SHOWN = 10;
const listed = (names: readonly string[]): string =>
  names.slice(0, SHOWN).map(named).join(", ") + (names.length > SHOWN ? `, and ${names.length - SHOWN} more` : "");
