import type { Counters, Outbox, OutboxAdded, OutboxBody, OutboxEntry, OutboxItem, OutboxSettlement } from "../ports.ts";
import { isStrike, mergedBody, OUTBOX_BOUNDS, type OutboxBounds } from "./outbox-bounds.ts";

interface Waiting {
  readonly id: string;
  body: OutboxBody;
  readonly addedAt: number;
  readyAt: number;
  token: string | null;
  isRevised: boolean;
  strikes: number;
  struckAt: number | null;
}

interface Topic {
  readonly waiting: Map<string, Waiting>;
  /** Oldest first. */
  readonly buried: { readonly id: string; readonly body: OutboxBody; readonly problem: string }[];
}

/** An outbox within one process; what it holds ends with the process. */
export function createMemoryOutbox(
  { counters }: { readonly counters: Counters },
  { waitingMax, struckMax, buriedMax }: OutboxBounds = OUTBOX_BOUNDS,
): Outbox {
  const topics = new Map<string, Topic>();
  let claims = 0;
  const topicOf = (name: string): Topic => {
    const topic = topics.get(name) ?? { waiting: new Map(), buried: [] };
    topics.set(name, topic);
    return topic;
  };
  const addOne = (item: OutboxItem, now: number): OutboxAdded => {
    const added = addTo(topicOf(item.topic), item, { now, waitingMax });
    if (added === "full") counters.add("segue_outbox_dropped_total", { topic: item.topic, reason: "full" });
    return added;
  };
  const trimStruck = (name: string): void => {
    const { waiting } = topicOf(name);
    const struck = [...waiting.values()].filter(({ struckAt }) => struckAt !== null);
    const surplus = struck
      .sort((a, b) => (a.struckAt ?? 0) - (b.struckAt ?? 0))
      .slice(0, Math.max(0, struck.length - struckMax));
    if (surplus.length === 0) return;
    for (const { id } of surplus) waiting.delete(id);
    counters.add("segue_outbox_dropped_total", { topic: name, reason: "unknown" }, surplus.length);
  };
  return {
    add: async (items, now) => {
      const added = items.map((item) => addOne(item, now));
      for (const topic of new Set(items.flatMap((item) => (item.isDoubtful === true ? [item.topic] : []))))
        trimStruck(topic);
      return added;
    },
    claim: async (topic, { limit, leaseMs, now, struck }) => {
      const token = `claim-${++claims}`;
      const ready = [...topicOf(topic).waiting.values()]
        .filter(({ readyAt, struckAt }) => readyAt <= now && (struck ?? struckAt !== null) === (struckAt !== null))
        .sort((a, b) => a.readyAt - b.readyAt)
        .slice(0, limit);
      for (const item of ready) Object.assign(item, { token, isRevised: false, readyAt: now + leaseMs });
      return { token, entries: ready.map(entryOf) };
    },
    settle: async (name, { token, settlements, now }) => {
      const topic = topicOf(name);
      for (const settlement of settlements) {
        const item = topic.waiting.get(settlement.id);
        if (item?.token === token) settleIn(topic, item, { settlement, now });
      }
      if (settlements.some(isStrike)) trimStruck(name);
      const forgotten = topic.buried.splice(0, Math.max(0, topic.buried.length - buriedMax)).length;
      if (forgotten > 0) counters.add("segue_outbox_dropped_total", { topic: name, reason: "buried" }, forgotten);
    },
    counts: async (topic) => ({ waiting: topicOf(topic).waiting.size, buried: topicOf(topic).buried.length }),
    readBuried: async (topic, limit) => topicOf(topic).buried.toReversed().slice(0, limit),
  };
}

const FRESH = { token: null, isRevised: false, strikes: 0, struckAt: null };

function addTo(
  { waiting }: Topic,
  { id, body, readyAt, isDoubtful = false }: OutboxItem,
  { now, waitingMax }: { readonly now: number; readonly waitingMax: number },
): OutboxAdded {
  const known = waiting.get(id);
  if (known === undefined) {
    if (waiting.size >= waitingMax) return "full";
    waiting.set(id, {
      id,
      body: { ...body },
      addedAt: now,
      readyAt,
      ...FRESH,
      ...(isDoubtful ? { strikes: 1, struckAt: now } : {}),
    });
    return "added";
  }
  const merged = mergedBody(known.body, body);
  if (merged === null) return "unchanged";
  known.body = merged;
  known.isRevised = known.token !== null;
  return "replaced";
}

function settleIn(
  { waiting, buried }: Topic,
  item: Waiting,
  { settlement, now }: { readonly settlement: OutboxSettlement; readonly now: number },
): void {
  const { id, body, isRevised } = item;
  item.token = null;
  item.isRevised = false;
  if (settlement.kind === "later") {
    item.readyAt = settlement.at;
    item.strikes += settlement.isStrike ? 1 : 0;
    if (settlement.isStrike) item.struckAt ??= now;
  } else if (isRevised) {
    Object.assign(item, FRESH, { readyAt: now });
  } else {
    waiting.delete(id);
    if (settlement.kind === "buried") buried.push({ id, body, problem: settlement.problem });
  }
}

const entryOf = ({ id, body, addedAt, strikes, struckAt }: Waiting): OutboxEntry => {
  return { id, body, addedAt, strikes, struckAt };
};
