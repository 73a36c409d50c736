import { RouterError } from "../core/errors.ts";
import { suggest } from "../core/nearest-name.ts";
import type { Policy } from "../core/policy.ts";
import type { SpanColumn } from "./apply-monitors.ts";
import { columnWarnings, discoveredPrefix } from "./column-warnings.ts";
import { desiredMonitors, type DesiredMonitor, type Unmonitorable } from "./desired-monitors.ts";
import type { MonitorSettings } from "./monitor-settings.ts";

export interface WantedMonitors {
  readonly monitors: readonly DesiredMonitor[];
  readonly unmonitorable: readonly (Unmonitorable & { readonly policy: string })[];
  readonly warnings: readonly string[];
}

/**
 * What several policies ask for, in Arize's spelling where its columns tell it.
 * @param columns null where they could not be read
 * @param givenPrefix said by a person, who is believed more than the columns
 * @throws RouterError `invalid_request` when a column is configured for a metric that no policy has
 */
export function wantedMonitors(
  policies: readonly Policy[],
  settings: Omit<MonitorSettings, "metadataPrefix">,
  {
    columns,
    givenPrefix,
  }: { readonly columns: readonly SpanColumn[] | null; readonly givenPrefix: string | undefined },
): WantedMonitors {
  refuseUnknown(Object.keys(settings.dimensions), policies);
  const metadataPrefix = givenPrefix ?? discoveredPrefix(columns ?? []) ?? "attributes.metadata.";
  const wanted = policies.map((policy) => ({
    policy: policy.policy,
    ...desiredMonitors(policy, { ...settings, metadataPrefix }),
  }));
  const monitors = wanted.flatMap((one) => one.monitors);
  return {
    monitors,
    unmonitorable: wanted.flatMap(({ policy, unmonitorable }) => unmonitorable.map((one) => ({ policy, ...one }))),
    warnings:
      columns === null
        ? [
            `Arize did not tell its columns, so it is not known whether it spells the segment '${metadataPrefix}segment_id'; --metadata-prefix says it.`,
          ]
        : columnWarnings(monitors, columns),
  };
}

function refuseUnknown(metrics: readonly string[], policies: readonly Policy[]): void {
  const known = [...new Set(policies.flatMap((policy) => Object.keys(policy.metrics)))].sort();
  const unknown = metrics.find((metric) => !known.includes(metric));
  if (unknown === undefined) return;
  throw new RouterError(
    "invalid_request",
    `--dimension names the metric '${unknown}', which no policy declares. ${suggest(unknown, known, "metrics")}`,
    { param: unknown, reason: "unknown_metric" },
  );
}
