/** What a monitor outside Segue is about. */
export interface MonitorSubject {
  readonly policy: string;
  readonly segment: string;
  readonly metric: string;
  /** Absent where the monitor watches whatever variant the segment is served. */
  readonly variant?: string | undefined;
}

/** How monitors of ours are told from others. */
export interface MonitorMarks {
  /** The first part of the name: `<prefix>|<policy>|<segment>|<metric>` and optionally `|<variant>`. */
  readonly namePrefix: string;
  /** The value of `managed-by` in the notes. */
  readonly managedBy: string;
}

export const monitorName = ({ policy, segment, metric, variant }: MonitorSubject, prefix: string): string =>
  [prefix, policy, segment, metric, ...(variant === undefined ? [] : [variant])].join("|");

export const monitorNotes = ({ policy, segment, metric, variant }: MonitorSubject, managedBy: string): string =>
  [
    `managed-by=${managedBy}`,
    `policy=${policy}`,
    `segment=${segment}`,
    `metric=${metric}`,
    ...(variant === undefined ? [] : [`variant=${variant}`]),
  ].join("; ");

/** The same text for the same subject, and for no other. */
export const subjectKey = (subject: MonitorSubject): string => monitorName(subject, "");

/** What a monitor is about, by its name or its notes; where both tell, they must agree. */
export function subjectOf(
  { name, notes }: { readonly name: string; readonly notes?: string | null | undefined },
  { namePrefix, managedBy }: MonitorMarks,
): MonitorSubject | "not-ours" | "contradictory" {
  const byName = subjectOfName(name, namePrefix);
  const byNotes = subjectOfNotes(notes ?? "", managedBy);
  if (byName === null || byNotes === null) return byName ?? byNotes ?? "not-ours";
  const agree = (["policy", "segment", "metric"] as const).every((part) => byName[part] === byNotes[part]);
  if (!agree || (byName.variant !== undefined && byNotes.variant !== undefined && byName.variant !== byNotes.variant))
    return "contradictory";
  return { ...byName, variant: byName.variant ?? byNotes.variant };
}

export function subjectOfName(name: string, prefix: string): MonitorSubject | null {
  const [first, policy, segment, metric, variant, ...rest] = name.split("|").map((part) => part.trim());
  if (first !== prefix || !policy || !segment || !metric || rest.length > 0) return null;
  return { policy, segment, metric, ...(variant ? { variant } : {}) };
}

export function subjectOfNotes(notes: string, managedBy: string): MonitorSubject | null {
  const pairs = notes
    .slice(0, 4000)
    .split(/[;\n]/)
    .map((pair) => pair.split("=").map((part) => part.trim()));
  const {
    "managed-by": by,
    policy,
    segment,
    metric,
    variant,
  } = Object.fromEntries(pairs.filter((pair) => pair.length === 2)) as Record<string, string | undefined>;
  if (by !== managedBy || !policy || !segment || !metric) return null;
  return { policy, segment, metric, ...(variant ? { variant } : {}) };
}
