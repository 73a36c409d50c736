import type { ControlPlane, Flags } from "../ports.ts";
import { nextSweep } from "./sweep.ts";
import { tick, type TickResult } from "./tick.ts";

type Deps = Parameters<typeof tick>[0] & {
  readonly controlPlane: Pick<ControlPlane, "state">;
  readonly flags: Pick<Flags, "onChange">;
};

/**
 * Ticks that look only where there may be something to do (`nextSweep`), for a host that calls them each second.
 * @returns the next tick, and the way to stop listening for flags
 */
export function pacedTick(
  deps: Deps,
  { instance, fullSweepMs }: { readonly instance: string; readonly fullSweepMs?: number | undefined },
): { readonly tick: () => Promise<TickResult>; readonly stop: () => void } {
  const { controlPlane, scoreboard, flags, clock } = deps;
  let lastFullAt: number | null = null;
  let lastHead = -1;
  let flagsChanged = false;
  const stop = flags.onChange(() => {
    flagsChanged = true;
  });
  return {
    stop,
    tick: async () => {
      const now = clock.now();
      const head = controlPlane.state().head.seq;
      const given = { now, lastFullAt, news: scoreboard.takeNews(), head, lastHead, flagsChanged };
      const sweep = nextSweep(fullSweepMs === undefined ? given : { ...given, fullSweepMs });
      const fullAt = sweep === "all" ? now : lastFullAt;
      // Whatever goes wrong, the next tick looks everywhere: the news is taken.
      lastFullAt = null;
      flagsChanged = false;
      const only = sweep === "none" ? new Set<string>() : sweep;
      const result = await tick(deps, instance, only === "all" ? {} : { only });
      // One that only watched has not looked at anything, and one that ran out of rounds has left something.
      if (result.acted && result.settled) lastFullAt = fullAt;
      lastHead = head + result.entries.length;
      return result;
    },
  };
}
