import type { Clock, Deadline, Deadlines } from "../../../src/ports.ts";

/** A clock that is cranked by hand, and deadlines that are due by it. */
export function crankedTime(start: number) {
  let now = start;
  const watched = new Set<{ dueAt: number; readonly onDue: () => void }>();
  const clock: Clock = { now: () => now };
  const deadlines: Deadlines = {
    watch: (onDue) => {
      const own = { dueAt: Infinity, onDue };
      watched.add(own);
      return Object.defineProperty(own, "end", { value: () => void watched.delete(own) }) as typeof own & Deadline;
    },
  };
  const nextDue = () =>
    [...watched].reduce<{ dueAt: number; readonly onDue: () => void } | undefined>(
      (first, next) => (first === undefined || next.dueAt < first.dueAt ? next : first),
      undefined,
    );
  return {
    clock,
    deadlines,
    /** When the next deadline is due, from now. */
    nextDueInMs: () => (nextDue()?.dueAt ?? Infinity) - now,
    /** Lets time pass; what is due then is due in order. */
    advance: (ms: number): void => {
      const until = now + ms;
      for (let next = nextDue(); next !== undefined && next.dueAt < Infinity && next.dueAt <= until; next = nextDue()) {
        now = Math.max(now, next.dueAt);
        next.dueAt = Infinity;
        next.onDue();
      }
      now = until;
    },
  };
}
