import { canonicalJson } from "../core/digest.ts";
import { warning, type Finding } from "../core/fault.ts";
import type { ResolvedPrompt } from "../core/hub-prompt.ts";
import type { Variant } from "../core/policy.ts";
import { quote } from "../core/quote.ts";

/** That a hub's version comes with another model or other parameters than the variant, which alone are sent; or null. */
export function settingsFinding(
  { name, variant }: { readonly name: string; readonly variant: Variant },
  { model, parameters, version }: ResolvedPrompt,
): Finding | null {
  const differences = Object.entries(parameters)
    .filter(([key, value]) => canonicalJson(own(variant.parameters, key) ?? null) !== canonicalJson(value))
    .map(([key, value]) => `${key} ${quote(value, 40)}`);
  if (model !== null && model !== variant.model) differences.unshift(`model ${quote(model, 60)}`);
  if (differences.length === 0) return null;
  return warning(
    "prompt-settings",
    `version '${version}' was made for ${differences.slice(0, 8).join(", ")}, which variant '${name}' does not send`,
    "Only the text is taken from the hub. Give the variant that model and those parameters, or leave it as it is.",
  );
}

const own = (record: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(record, key) ? record[key] : undefined;
