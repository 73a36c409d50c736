import { digestOf } from "./digest.ts";
import type { Variant } from "./policy.ts";

/** Names what a variant serves. Its description is for people and may change, and so may the label that led to its prompt. */
export const variantDigest = (variant: Variant): string =>
  digestOf({ ...variant, description: undefined, promptSource: undefined });
