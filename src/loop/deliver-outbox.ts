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
  /** Begins no further batch. Resolves when those under way have ended. */
  readonly stop: () => Promise<void>;
}

interface Destination {
  readonly topic: string;
  readonly sender: OutboxSender;
  readonly counter: string;
  /** Null while nothing is being sent to it. */
  run: Promise<void> | null;
  /** Epoch milliseconds. */
  pausedUntil: number;
  /** In a row. */
  failures: number;
  /** Epoch milliseconds before which none is sent that was unknown once; 0 while such become known. */
  struckFrom: number;
  /** What was logged of the present outage; null while all is well. */
  told: string | null;
}

const BATCH = 1000;
/** What a destination is tried with that took nothing the last time. */
const PROBE = 20;
/** Between small batches of what was unknown and stays so, each item of which costs a request or two. */
const STRUCK_MS = { each: 3000, max: 60_000 } as const;
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
 * it is about is tried again after 10 s and up to an hour, and buried a day after it was first unknown; as long as none of
 * these becomes known, 20 are tried a minute.
 */
export function outboxDelivery(
  deps: DeliverOutboxDeps,
  senders: Readonly<Record<string, OutboxSender>>,
  /** Of a topic: what counts what became of each item. */
  countedIn: Readonly<Record<string, string>> = {},
): OutboxDelivery {
  const { outbox, clock, counters } = deps;
  const destinations = Object.entries(senders).map(([topic, sender]): Destination => {
    const counter = countedIn[topic] ?? "segue_annotations_total";
    return { topic, sender, counter, run: null, pausedUntil: 0, failures: 0, struckFrom: 0, told: null };
  });
  let isStopped = false;

  /** Of those that were unknown once, or of the others. */
  const sendNext = async (to: Destination, struck: boolean): Promise<"sent" | "nothing" | "down"> => {
    if (struck && clock.now() < to.struckFrom) return "nothing";
    const limit = to.failures > 0 || (struck && to.struckFrom > 0) ? PROBE : BATCH;
    const { token, entries } = await outbox.claim(to.topic, { limit, leaseMs: LEASE_MS, now: clock.now(), struck });
    if (entries.length === 0) return "nothing";
    const deliveries = await sent(to.sender, entries);
    // What was broken off at the end says nothing of the destination.
    const isUp = !isStopped && noteHealth(deps, to, deliveries);
    const unknown = deliveries.filter(({ kind }) => kind === "absent").length;
    const restMs = Math.min(STRUCK_MS.each * unknown, STRUCK_MS.max);
    if (struck && isUp) to.struckFrom = restMs === 0 ? 0 : clock.now() + restMs;
    await outbox.settle(to.topic, { token, settlements: settled(deps, to, { entries, deliveries }), now: clock.now() });
    return isUp ? "sent" : "down";
  };
  const deliverTo = async (to: Destination): Promise<void> => {
    try {
      for (let batch = 0; batch < BATCHES; batch++) {
        // What was unknown before is sent apart: one such item makes a destination refuse its whole batch.
        const fresh = await sendNext(to, false);
        if (fresh === "down" || isStopped) return;
        const struck = await sendNext(to, true);
        if (struck === "down" || isStopped || (fresh === "nothing" && struck === "nothing")) return;
      }
    } catch (error) {
      counters.add("segue_outbox_failures_total", { destination: to.topic });
      if (!isStopped) pause(deps, to, { problem: `the outbox or the sender failed: ${String(error)}`, afterMs: null });
    }
  };
  const begin = async (to: Destination): Promise<void> => {
    if (isStopped || to.run !== null || clock.now() < to.pausedUntil) return;
    await (to.run = deliverTo(to).finally(() => (to.run = null)));
  };
  return {
    deliver: async () => {
      await Promise.all(destinations.map(begin));
    },
    stop: async () => {
      isStopped = true;
      await Promise.all(destinations.map(({ run }) => run ?? Promise.resolve()));
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
  { topic, counter, pausedUntil }: Destination,
  { entries, deliveries }: { readonly entries: readonly OutboxEntry[]; readonly deliveries: readonly Delivery[] },
): readonly OutboxSettlement[] {
  const now = clock.now();
  const problems: string[] = [];
  const settlements = entries.map((entry, index) => {
    const delivery = deliveries[index] ?? missing;
    const settlement = settlementOf(entry, delivery, { now, random, pausedUntil });
    if (settlement.kind === "buried") problems.push(settlement.problem);
    const result = settlement.kind === "buried" ? "buried" : delivery.kind;
    counters.add(counter, { destination: topic, result });
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
