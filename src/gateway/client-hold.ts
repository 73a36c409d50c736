import type { Clock } from "../ports.ts";

/** How long an answer waited for its client to take what was ready. A slow reader is no slow service. */
export interface ClientHold {
  /** Something is ready for the client. */
  readonly begin: () => void;
  /** The client asks for more. */
  readonly end: () => void;
  /** Milliseconds so far, with a wait that has not ended. */
  readonly totalMs: () => number;
}

export function clientHold(clock: Clock): ClientHold {
  let total = 0;
  let since: number | null = null;
  const current = (): number => (since === null ? 0 : clock.now() - since);
  return {
    begin: () => {
      since ??= clock.now();
    },
    end: () => {
      total += current();
      since = null;
    },
    totalMs: () => total + current(),
  };
}
