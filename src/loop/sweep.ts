/** Everything is looked at this often, because time alone may let something happen. */
export const FULL_SWEEP_MS = 10_000;

/** Which segments the loop looks at next, as `policy/segment`. */
export type Sweep = "none" | "all" | ReadonlySet<string>;

/**
 * Where there may be something to do: where the measurements have news; and everywhere now and then, or after
 * something happened that may concern any segment.
 */
export function nextSweep(input: {
  readonly now: number;
  /** When everything was looked at last, epoch milliseconds; null when never, or when the last look failed. */
  readonly lastFullAt: number | null;
  readonly news: ReadonlySet<string>;
  /** The ledger's last entry, and the one that the last sweep left it at: another means that somebody else wrote. */
  readonly head: number;
  readonly lastHead: number;
  readonly flagsChanged: boolean;
  readonly fullSweepMs?: number;
}): Sweep {
  const { now, lastFullAt, news, head, lastHead, flagsChanged, fullSweepMs = FULL_SWEEP_MS } = input;
  if (lastFullAt === null || head !== lastHead || flagsChanged) return "all";
  // A clock that went back would otherwise put the next full sweep off.
  if (now < lastFullAt || now - lastFullAt >= fullSweepMs) return "all";
  return news.size === 0 ? "none" : news;
}
