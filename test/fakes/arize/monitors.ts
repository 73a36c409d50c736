import { globalId } from "../vendor/global-id.ts";
import { json, problem, Refusal, type Reply } from "../vendor/reply.ts";
import { pageOf } from "./page.ts";
import type { AxWorld } from "./world.ts";

/** A monitor as REST v2 answers it; only what a test cares about has to be given. */
export interface MonitorJson {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly evaluated_at?: string | null;
  readonly [other: string]: unknown;
}

/** Arize's global ids are base64 of `Kind:number:random`. */
export const monitorId = (number: number): string => globalId("Monitor", number, "aB3d");

export const MONITOR_DEFAULTS = {
  type: "TRACING",
  project_id: "TW9kZWw6MTIz",
  threshold: { type: "MANUAL_SINGLE", operator: "LESS_THAN", value: 0.8 },
  notifications_enabled: true,
  manual_evaluation_enabled: false,
  created_by_user_id: "VXNlcjox",
  created_at: "2026-08-01T00:00:00Z",
  updated_at: "2026-08-01T00:00:00Z",
  evaluation_window_length_seconds: 3600,
  delay_seconds: 0,
};

const FILTERS = ["project_id", "name", "status", "type"] as const;

/** `GET /v2/monitors`: exact filters, a page of at most `pageSize`. */
export function listMonitors({ monitors, pageSize }: AxWorld, query: URLSearchParams): Reply {
  const wanted = FILTERS.filter((name) => query.has(name));
  const matching = [...monitors.values()].filter((monitor) =>
    wanted.every((name) => monitor[name] === query.get(name)),
  );
  const { items, pagination } = pageOf(matching, query, { max: pageSize, usual: 50 });
  return json({ monitors: items, pagination });
}

export function getMonitor({ monitors }: AxWorld, id: string): Reply {
  const monitor = monitors.get(id);
  if (monitor === undefined) throw new Refusal(problem(404, "Resource not found", `There is no monitor '${id}'.`));
  return json(monitor);
}
