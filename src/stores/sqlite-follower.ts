/** Calls back again and again; returns the way to stop. */
export type Every = (milliseconds: number, callback: () => void) => () => void;

/** A timer that does not keep the process alive. */
export const everyInterval: Every = (milliseconds, callback) => {
  const timer = setInterval(callback, milliseconds);
  timer.unref();
  return () => clearInterval(timer);
};

interface Watched {
  /** Changes when another connection committed, see https://sqlite.org/pragma.html#pragma_data_version. */
  readonly version: () => number;
  readonly headSeq: () => number;
  readonly pollMs?: number;
  readonly every?: Every;
}

/**
 * Rings the followers of one file when the chain in it grew. A look that fails rings too, and so
 * does the first one after it, because only by reading can a follower learn that it is cut off or well again.
 */
export function createSqliteFollower({ version, headSeq, pollMs = 100, every = everyInterval }: Watched) {
  const listeners = new Set<() => void>();
  let stopPolling: (() => void) | null = null;
  let seen = { version: -1, headSeq: -1 };

  const ring = () => {
    for (const listener of listeners) listener();
  };
  const look = () => {
    let now;
    try {
      now = version();
      if (now === seen.version) return;
      const next = { version: now, headSeq: headSeq() };
      const grew = next.headSeq !== seen.headSeq;
      seen = next;
      if (!grew) return;
    } catch {
      seen = { version: -1, headSeq: -1 };
    }
    ring();
  };
  return {
    ring: () => {
      if (listeners.size > 0) ring();
    },
    follow: (onGrown: () => void): (() => void) => {
      // A listener of its own, so that one function may follow twice.
      const listener = () => onGrown();
      listeners.add(listener);
      if (stopPolling === null) {
        seen = { version: version(), headSeq: headSeq() };
        stopPolling = every(pollMs, look);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        stopPolling?.();
        stopPolling = null;
      };
    },
    close: () => {
      listeners.clear();
      stopPolling?.();
      stopPolling = null;
    },
  };
}
