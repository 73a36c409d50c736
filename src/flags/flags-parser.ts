import { z } from "zod";
import { canonicalJson } from "../core/digest.ts";

const Index = z.int().min(0);
const Rollout = z.looseObject({ variations: z.array(z.looseObject({ variation: Index, weight: Index })).min(1) });
const Choice = { variation: Index.optional(), rollout: Rollout.optional() };
const Clause = z.looseObject({ attribute: z.string(), op: z.string(), values: z.array(z.json()) });
const Flag = z.looseObject({
  version: z.int().optional(),
  on: z.boolean(),
  variations: z.array(z.json()).min(1),
  offVariation: Index.nullish(),
  fallthrough: z.looseObject(Choice),
  rules: z.array(z.looseObject({ ...Choice, clauses: z.array(Clause) })).optional(),
  targets: z.array(z.looseObject({ values: z.array(z.string()), variation: Index })).optional(),
  contextTargets: z.array(z.looseObject({ values: z.array(z.string()), variation: Index })).optional(),
  prerequisites: z.array(z.looseObject({ key: z.string(), variation: Index })).optional(),
});
type Flag = z.infer<typeof Flag>;
const Item = z.looseObject({ version: z.int().optional() });
const File = z.strictObject({
  $schema: z.string().optional(),
  flags: z.record(z.string(), Flag).default({}),
  flagValues: z.record(z.string(), z.json()).default({}),
  segments: z.record(z.string(), Item).default({}),
});

/** By key. */
export type FlagDefaults = Readonly<Record<string, string | boolean | number>>;

/** Text in LaunchDarkly's file format to the same text with every default present and every change a new version. */
export function flagsParser(defaults: FlagDefaults) {
  const versions = new Map<string, { readonly content: string; readonly version: number }>();
  const versioned = (kind: string, key: string, { version: stated = 1, ...content }: z.infer<typeof Item>) => {
    const text = canonicalJson(content);
    const known = versions.get(`${kind}/${key}`);
    const version =
      known === undefined ? stated : known.content === text ? known.version : Math.max(known.version + 1, stated);
    versions.set(`${kind}/${key}`, { content: text, version });
    return [key, { ...content, key, version }] as const;
  };
  return (raw: string): { readonly text: string } | { readonly problem: string } => {
    if (raw.trim() === "") return { problem: "it is empty" };
    let json: unknown;
    try {
      json = JSON.parse(raw);
    } catch (error) {
      return { problem: `it is not JSON (${(error as SyntaxError).message})` };
    }
    const file = File.safeParse(json);
    if (!file.success) {
      const [issue] = file.error.issues;
      return { problem: `${issue?.path.join(".") || "it"}: ${issue?.message}` };
    }
    const { flags, flagValues, segments } = file.data;
    for (const [key, fallback] of Object.entries(defaults))
      if (!Object.hasOwn(flags, key) && !Object.hasOwn(flagValues, key)) flagValues[key] = fallback;
    const problem = faultOf(flags, flagValues, defaults);
    if (problem !== null) return { problem };
    const values = Object.entries(flagValues).map(([key, value]) => [key, alwaysOn(value)] as const);
    const both = [...Object.entries(flags), ...values];
    return {
      text: JSON.stringify({
        flags: Object.fromEntries(both.map(([key, flag]) => versioned("flag", key, flag))),
        segments: Object.fromEntries(Object.entries(segments).map(([key, item]) => versioned("segment", key, item))),
      }),
    };
  };
}

const alwaysOn = (value: z.infer<ReturnType<typeof z.json>>): Flag => ({
  on: true,
  variations: [value],
  fallthrough: { variation: 0 },
});

function faultOf(
  flags: Readonly<Record<string, Flag>>,
  flagValues: Readonly<Record<string, unknown>>,
  defaults: FlagDefaults,
): string | null {
  for (const [key, flag] of Object.entries(flags)) {
    if (Object.hasOwn(flagValues, key)) return `'${key}' is in both flags and flagValues: keep one`;
    const choices = [flag.fallthrough, ...(flag.rules ?? [])].flatMap((choice) => [
      choice.variation,
      ...(choice.rollout?.variations.map((part) => part.variation) ?? []),
    ]);
    const targets = [...(flag.targets ?? []), ...(flag.contextTargets ?? [])].map((target) => target.variation);
    const missing = [flag.offVariation, ...choices, ...targets].find((index) => (index ?? 0) >= flag.variations.length);
    if (missing !== undefined) return `flags.${key}: there is no variation ${missing}`;
  }
  for (const [key, fallback] of Object.entries(defaults)) {
    const values: readonly unknown[] = flags[key]?.variations ?? [flagValues[key]];
    const wrong = values.find((value) => typeof value !== typeof fallback);
    if (wrong !== undefined) return `'${key}' must be a ${typeof fallback}, got ${JSON.stringify(wrong).slice(0, 80)}`;
  }
  return null;
}
