import type { Clock } from "../ports.ts";

const MINUTE_MS = 60_000;

/** Resolves when another request may begin: at most `perMinute` do in any minute, and those come without a wait between them. */
export function requestPace(
  { clock, sleep }: { readonly clock: Clock; readonly sleep: (ms: number) => Promise<void> },
  perMinute: number,
): () => Promise<void> {
  /** When the last requests began, oldest first; never more than `perMinute`. */
  const begun: number[] = [];
  return async () => {
    let now = clock.now();
    if (begun.length >= perMinute) {
      const waitMs = (begun.shift() ?? now) + MINUTE_MS - now;
      if (waitMs > 0) await sleep(waitMs);
      now = Math.max(clock.now(), now + Math.max(0, waitMs));
    }
    begun.push(now);
  };
}
