import type { Policy } from "./policy.ts";

/** What a variant's answers depend on first, as `provider/model`; variants of one upstream fail together. */
export function upstreamOf({ variants }: Policy, variant: string): string {
  const known = variants[variant];
  return known === undefined ? "" : `${known.provider}/${known.model}`;
}
