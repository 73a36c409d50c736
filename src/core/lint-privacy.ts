import { error, type Fault } from "./fault.ts";
import { suggest } from "./nearest-name.ts";
import type { LintSubject } from "./policy-source.ts";

/** Faults of what a policy says of privacy: an attribute that is misspelt there would leave as if nothing was said of it. */
export function lintPrivacy({ policy, fault }: LintSubject): Fault[] {
  const declared = Object.keys(policy.attributes);
  return Object.keys(policy.privacy?.attributes ?? {})
    .filter((name) => !Object.hasOwn(policy.attributes, name))
    .map((name) =>
      fault(
        ["privacy", "attributes", name],
        error(
          "unknown-attribute",
          `'privacy' names the attribute '${name}', which policy '${policy.policy}' does not declare`,
          suggest(name, declared, "attributes"),
        ),
        { key: true },
      ),
    );
}
