import { assert } from "../core/errors.ts";
import type {
  Clock,
  Counters,
  Delivery,
  Log,
  Outbox,
  OutboxEntry,
  OutboxSender,
  OutboxSettlement,
  Random,
} from "../ports.ts";

export interface OutboxDelivery {
  /** Sends what is ready, to every destination that is not just being sent to. Never rejects, because it is called by a timer. */
  readonly deliver: () => Promise<void>;
}

interface Destination {
  readonly topic: string;
  readonly sender: OutboxSender;
  isBusy: boolean;
  /** Epoch milliseconds. */
  pausedUntil: number;
  /** In a row. */
  failures: number;
  /** What was logged of the present outage; null while all is well. */
  told: string | null;
}

const BATCH = 1000;
/** What a destination is tried with that took nothing the last time. */
const PROBE = 20;
/** Of one call, so that a long backlog leaves pauses for other work. */
const BATCHES = 20;
/** Longer than a send may take, with what comes before and after it. */
const LEASE_MS = 3 * 60_000;

const PAUSE_MS = { first: 1000, max: 5 * 60_000, asked: 3_600_000 } as const;
const ABSENT_MS = { first: 10_000, max: 3_600_000, givenUp: 24 * 3_600_000 } as const;

interface DeliverOutboxDeps {
  readonly outbox: Pick<Outbox, "claim" | "settle">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
}

/**
 * Takes what waits in the outbox to its destinations, at least once, each for itself. One that takes nothing is left alone for
 * as long as it asks, else for up to five minutes, as often as it takes. An item whose destination does not know what
 * it is about is tried again after 10 s and up to an hour, and buried a day after it was first unknown.
 */
export function outboxDelivery(
  deps: DeliverOutboxDeps,
  senders: Readonly<Record<string, OutboxSender>>,
): OutboxDelivery {
  const { outbox, clock, counters } = deps;
  const destinations = Object.entries(senders).map(([topic, sender]): Destination => {
    return { topic, sender, isBusy: false, pausedUntil: 0, failures: 0, told: null };
  });

  /** @returns false when the destination takes nothing more now */
  const sendBatch = async (to: Destination, token: string, entries: readonly OutboxEntry[]): Promise<boolean> => {
    if (entries.length === 0) return true;
    const deliveries = await sent(to.sender, entries);
    const isUp = noteHealth(deps, to, deliveries);
    await outbox.settle(to.topic, { token, settlements: settled(deps, to, { entries, deliveries }), now: clock.now() });
    return isUp;
  };
  const release = (to: Destination, token: string, entries: readonly OutboxEntry[]): Promise<void> => {
    const settlements = entries.map(({ id }) => ({ id, kind: "later" as const, at: to.pausedUntil, isStrike: false }));
    return outbox.settle(to.topic, { token, settlements, now: clock.now() });
  };
  const deliverTo = async (to: Destination): Promise<void> => {
    if (to.isBusy || clock.now() < to.pausedUntil) return;
    to.isBusy = true;
    try {
      for (let batch = 0; batch < BATCHES; batch++) {
        const limit = to.failures > 0 ? PROBE : BATCH;
        const { token, entries } = await outbox.claim(to.topic, { limit, leaseMs: LEASE_MS, now: clock.now() });
        if (entries.length === 0) return;
        // What was unknown before is sent apart: one such item makes a destination refuse its whole batch.
        const struck = entries.filter(({ strikes }) => strikes > 0);
        const fresh = entries.filter(({ strikes }) => strikes === 0);
        if (!(await sendBatch(to, token, fresh))) return await release(to, token, struck);
        if (!(await sendBatch(to, token, struck))) return;
      }
    } catch (error) {
      counters.add("segue_outbox_failures_total", { destination: to.topic });
      pause(deps, to, { problem: `the outbox or the sender failed: ${String(error)}`, afterMs: null });
    } finally {
      to.isBusy = false;
    }
  };
  return {
    deliver: async () => {
      await Promise.all(destinations.map(deliverTo));
    },
  };
}

/** Leaves a destination alone for a while. What is wrong is logged once, not at each attempt. */
function pause(
  { clock, random, log }: DeliverOutboxDeps,
  to: Destination,
  { problem, afterMs }: { readonly problem: string; readonly afterMs: number | null },
): void {
  to.failures += 1;
  const waitMs = afterMs ?? jittered(random, PAUSE_MS.first * 2 ** (to.failures - 1), PAUSE_MS.max);
  to.pausedUntil = clock.now() + Math.min(waitMs, PAUSE_MS.asked);
  if (to.told === problem) return;
  to.told = problem;
  log.warn(`${to.topic}: nothing can be sent; what is to be sent waits`, { problem });
}

/** @returns whether the destination takes more */
function noteHealth(deps: DeliverOutboxDeps, to: Destination, deliveries: readonly Delivery[]): boolean {
  const down = deliveries.find((delivery) => delivery.kind === "unavailable");
  if (down === undefined || deliveries.some(({ kind }) => kind === "done")) to.failures = 0;
  if (down !== undefined) {
    pause(deps, to, down);
    return false;
  }
  if (to.told !== null) deps.log.info(`${to.topic}: what waited is sent again`);
  to.told = null;
  return true;
}

/** What becomes of each, counted. */
function settled(
  { clock, random, log, counters }: DeliverOutboxDeps,
  { topic, pausedUntil }: Destination,
  { entries, deliveries }: { readonly entries: readonly OutboxEntry[]; readonly deliveries: readonly Delivery[] },
): readonly OutboxSettlement[] {
  const now = clock.now();
  const problems: string[] = [];
  const settlements = entries.map((entry, index) => {
    const delivery = deliveries[index] ?? missing;
    const settlement = settlementOf(entry, delivery, { now, random, pausedUntil });
    if (settlement.kind === "buried") problems.push(settlement.problem);
    const result = settlement.kind === "buried" ? "buried" : delivery.kind;
    counters.add("segue_annotations_total", { destination: topic, result });
    return settlement;
  });
  if (problems.length > 0)
    log.warn(`${topic}: some of what was to be sent was given up, and is kept as dead letters`, {
      count: problems.length,
      problem: problems[0],
    });
  return settlements;
}

const missing: Delivery = { kind: "later", problem: "the sender said nothing of it", afterMs: 60_000 };

/** A sender that fails is a destination that takes nothing: what it was given is kept. */
async function sent(sender: OutboxSender, entries: readonly OutboxEntry[]): Promise<readonly Delivery[]> {
  try {
    const deliveries = await sender.send(entries);
    assert(deliveries.length === entries.length, "a sender answers for each entry");
    return deliveries;
  } catch (error) {
    const problem = `the sender failed: ${String(error)}`;
    return entries.map(() => ({ kind: "unavailable", problem, afterMs: null }));
  }
}

function settlementOf(
  { id, strikes, struckAt }: OutboxEntry,
  delivery: Delivery,
  { now, random, pausedUntil }: { readonly now: number; readonly random: Random; readonly pausedUntil: number },
): OutboxSettlement {
  switch (delivery.kind) {
    case "done":
      return { id, kind: "done" };
    case "never":
      return { id, kind: "buried", problem: delivery.problem };
    case "unavailable":
      return { id, kind: "later", at: pausedUntil, isStrike: false };
    case "later":
      return { id, kind: "later", at: now + delivery.afterMs, isStrike: false };
    case "absent": {
      if (struckAt !== null && now - struckAt >= ABSENT_MS.givenUp)
        return { id, kind: "buried", problem: `unknown there for a day: ${delivery.problem}` };
      const ceiling = Math.min(ABSENT_MS.max, ABSENT_MS.first * 2 ** Math.min(strikes, 20));
      // The upper half only, since too early is asked for nothing.
      return { id, kind: "later", at: now + ceiling / 2 + jittered(random, ceiling / 2, ceiling), isStrike: true };
    }
  }
}

/** Full jitter: anything up to `ceilingMs`. */
function jittered(random: Random, ceilingMs: number, maxMs: number): number {
  const [high = 0, low = 0] = random.bytes(2);
  return Math.round(((high * 256 + low + 1) / 65_536) * Math.min(ceilingMs, maxMs));
}
