import { canonicalJson } from "./digest.ts";
import { quote } from "./quote.ts";

/** What changed between two JSON values, a line per leaf: `guard.cooldownSeconds: 900 → 600`. Lists are leaves. */
export function difference(before: unknown, after: unknown, name = ""): string[] {
  if (canonicalJson(before ?? null) === canonicalJson(after ?? null)) return [];
  if (isMap(before) && isMap(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) =>
      difference(member(before, key), member(after, key), name === "" ? key : `${name}.${key}`),
    );
  }
  const change = `${show(before)} → ${show(after)}`;
  return [name === "" ? change : `${name}: ${change}`];
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const member = (map: Record<string, unknown>, key: string): unknown => (Object.hasOwn(map, key) ? map[key] : undefined);

const show = (value: unknown): string => (value === undefined ? "(none)" : quote(value, 160));
