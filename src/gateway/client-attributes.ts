import { shownValue } from "../core/attributes.ts";
import { RouterError } from "../core/errors.ts";
import type { AttributeSpec } from "../core/policy.ts";
import { isNestedDeeper, NESTING_MAX } from "./nesting.ts";

type Members = Readonly<Record<string, unknown>>;

export interface ClientAttributes {
  /** What the request says of itself, from both places. */
  readonly client: Members;
  /** `metadata` without the declared attributes; undefined when nothing of it is left to forward. */
  readonly metadata: Members | null | undefined;
}

/**
 * Collects what the client says: `stated` attributes, whose every name must be declared, and the
 * declared members of `metadata`, which are taken out of it.
 * @throws RouterError `invalid_request` when the two contradict each other
 */
export function clientAttributes(
  specs: Readonly<Record<string, AttributeSpec>>,
  stated: Members,
  metadata: Members | null | undefined,
): ClientAttributes {
  if (metadata === null || metadata === undefined) return { client: stated, metadata };
  const declared = Object.keys(metadata).filter((name) => Object.hasOwn(specs, name));
  if (declared.length === 0) return { client: stated, metadata };
  const fromMetadata = Object.fromEntries(declared.map((name) => [name, metadata[name]]));
  for (const [name, value] of Object.entries(fromMetadata)) {
    if (!Object.hasOwn(stated, name) || agree(stated[name], value)) continue;
    throw new RouterError(
      "invalid_request",
      `Attribute '${name}' has two values: ${shownValue(stated[name])} in x-segue-attributes and ${shownValue(value)} in metadata. Send one.`,
      { param: `metadata.${name}`, reason: "contradictory_attribute" },
    );
  }
  const rest = Object.entries(metadata).filter(([name]) => !Object.hasOwn(specs, name));
  return {
    client: { ...fromMetadata, ...stated },
    metadata: rest.length === 0 ? undefined : Object.fromEntries(rest),
  };
}

/** Reads `x-segue-attributes`. Throws `RouterError` `invalid_request` when it is not a JSON object in ASCII. */
export function parseAttributesHeader(header: string | null): Members {
  if (header === null) return {};
  // Header bytes beyond ASCII reach hosts in different encodings, and a garbled value would land in another segment.
  if (!/^[\t\x20-\x7e]*$/.test(header)) throw refuse("must be ASCII: write other characters as \\uXXXX");
  if (isNestedDeeper(header, NESTING_MAX)) throw refuse(`is nested deeper than ${NESTING_MAX} levels`);
  let value: unknown;
  try {
    value = JSON.parse(header);
  } catch (cause) {
    throw refuse("is not valid JSON", cause);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw refuse("must be a JSON object");
  return value as Members;
}

const refuse = (problem: string, cause?: unknown): RouterError =>
  new RouterError("invalid_request", `The header x-segue-attributes ${problem}.`, {
    param: "x-segue-attributes",
    reason: "invalid_attributes",
    cause,
  });

/** `metadata` carries strings only, so `"5"` there and `5` in the header agree. */
function agree(a: unknown, b: unknown): boolean {
  // No attribute is an object or array, so that they need no comparing.
  if ([a, b].some((value) => typeof value === "object" && value !== null)) return false;
  return String(a) === String(b);
}
