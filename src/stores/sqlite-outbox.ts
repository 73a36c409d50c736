import { randomUUID } from "node:crypto";
import type { SQLOutputValue } from "node:sqlite";
import { z } from "zod";
import type { Counters, Outbox, OutboxAdded, OutboxEntry, OutboxItem, OutboxSettlement } from "../ports.ts";
import { isStrike, mergedBody, OUTBOX_BOUNDS, type OutboxBounds } from "./outbox-bounds.ts";
import type { Database } from "./sqlite.ts";

/** `ready_at` is the end of the lease while there is a token. Triggers count, because counting rows at each addition takes milliseconds. */
const TABLES = `
  CREATE TABLE IF NOT EXISTS outbox (
    topic TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    added_at INTEGER NOT NULL, ready_at INTEGER NOT NULL,
    token TEXT, is_revised INTEGER NOT NULL DEFAULT 0,
    strikes INTEGER NOT NULL DEFAULT 0, struck_at INTEGER,
    PRIMARY KEY (topic, id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS outbox_by_readiness ON outbox (topic, ready_at);
  CREATE INDEX IF NOT EXISTS outbox_by_strikes ON outbox (topic, strikes > 0, ready_at);
  CREATE INDEX IF NOT EXISTS outbox_struck ON outbox (topic, struck_at) WHERE struck_at IS NOT NULL;
  CREATE TABLE IF NOT EXISTS outbox_buried (
    number INTEGER PRIMARY KEY, topic TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, problem TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS outbox_buried_by_topic ON outbox_buried (topic, number);
  CREATE TABLE IF NOT EXISTS outbox_topics (topic TEXT PRIMARY KEY, waiting INTEGER NOT NULL) STRICT;
  CREATE TRIGGER IF NOT EXISTS outbox_added AFTER INSERT ON outbox BEGIN
    INSERT INTO outbox_topics VALUES (new.topic, 1) ON CONFLICT (topic) DO UPDATE SET waiting = waiting + 1;
  END;
  CREATE TRIGGER IF NOT EXISTS outbox_removed AFTER DELETE ON outbox BEGIN
    UPDATE outbox_topics SET waiting = waiting - 1 WHERE topic = old.topic;
  END;
`;

/** Items written in one transaction at most. */
const GROUP = 2000;

interface Addition {
  readonly items: readonly OutboxItem[];
  readonly now: number;
  readonly resolve: (added: readonly OutboxAdded[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * An outbox in tables of its own in an open database, which are made where they are missing. What is added in one turn of
 * the event loop is committed together: each commit waits for the disk. How durable that is, the database's kind says.
 */
export function createSqliteOutbox(
  database: Database,
  { counters }: { readonly counters: Counters },
  bounds: OutboxBounds = OUTBOX_BOUNDS,
): Outbox {
  const { attempt, write } = database;
  const tables = openTables(database, bounds);
  let additions: Addition[] = [];
  let isScheduled = false;

  const noteForgotten = (topic: string, reason: "unknown" | "buried", count: number): void => {
    if (count > 0) counters.add("segue_outbox_dropped_total", { topic, reason }, count);
  };
  const nextGroup = (): Addition[] => {
    let size = 0;
    const end = additions.findIndex(({ items }) => (size += items.length) > GROUP);
    return additions.splice(0, end === -1 ? additions.length : Math.max(1, end));
  };
  const commitAdditions = async (): Promise<void> => {
    for (let group = nextGroup(); group.length > 0; group = nextGroup()) {
      try {
        const { answers, forgotten } = await write(() => ({
          answers: group.map(({ items, now }) => items.map((item) => tables.add(item, now))),
          forgotten: doubtfulTopics(group).map((topic) => [topic, tables.trimStruck(topic)] as const),
        }));
        for (const [topic, count] of forgotten) noteForgotten(topic, "unknown", count);
        group.forEach(({ items, resolve }, index) => {
          const added = answers[index] ?? [];
          items.forEach(({ topic }, at) => {
            if (added[at] === "full") counters.add("segue_outbox_dropped_total", { topic, reason: "full" });
          });
          resolve(added);
        });
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    isScheduled = false;
  };
  return {
    add: (items, now) =>
      new Promise((resolve, reject) => {
        additions.push({ items, now, resolve, reject });
        if (!isScheduled) setImmediate(() => void commitAdditions());
        isScheduled = true;
      }),
    claim: async (topic, { limit, leaseMs, now, struck }) => {
      const token = randomUUID();
      // A look first, so that an outbox with nothing to send writes nothing.
      if (!attempt(() => tables.hasReady(topic, now, struck))) return { token, entries: [] };
      const entries = await write(() => tables.claim({ topic, token, limit, until: now + leaseMs, now, struck }));
      return { token, entries };
    },
    settle: async (topic, { token, settlements, now }) => {
      if (settlements.length === 0) return;
      const forgotten = await write(() => {
        for (const settlement of settlements) tables.settle(topic, token, { settlement, now });
        return {
          buried: tables.trimBuried(topic),
          unknown: settlements.some(isStrike) ? tables.trimStruck(topic) : 0,
        };
      });
      noteForgotten(topic, "buried", forgotten.buried);
      noteForgotten(topic, "unknown", forgotten.unknown);
    },
    counts: async (topic) => attempt(() => tables.counts(topic)),
    readBuried: async (topic, limit) => attempt(() => tables.readBuried(topic, limit)),
  };
}

const doubtfulTopics = (group: readonly Addition[]): readonly string[] => [
  ...new Set(group.flatMap(({ items }) => items.flatMap((item) => (item.isDoubtful === true ? [item.topic] : [])))),
];

function preparedOver({ connection, attempt }: Database) {
  return attempt(() => {
    connection.exec(TABLES);
    const prepare = (text: string) => connection.prepare(text);
    const readyIn = (where: string) => ({
      any: prepare(`SELECT 1 FROM outbox WHERE ${where} LIMIT 1`),
      first: prepare(`SELECT * FROM outbox WHERE ${where} ORDER BY ready_at, rowid LIMIT ?`),
      // Of the same rows as the one before, in one statement: a thousand of them would hold up the event loop.
      lease: prepare(
        `UPDATE outbox SET token = ?, is_revised = 0, ready_at = ? WHERE rowid IN
           (SELECT rowid FROM outbox WHERE ${where} ORDER BY ready_at, rowid LIMIT ?)`,
      ),
    });
    return {
      find: prepare("SELECT body FROM outbox WHERE topic = ? AND id = ?"),
      waiting: prepare("SELECT waiting FROM outbox_topics WHERE topic = ?"),
      insert: prepare(
        "INSERT INTO outbox (topic, id, body, added_at, ready_at, strikes, struck_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      ),
      revise: prepare("UPDATE outbox SET body = ?, is_revised = token IS NOT NULL WHERE topic = ? AND id = ?"),
      readyOf: {
        all: readyIn("topic = ? AND ready_at <= ?"),
        struck: readyIn("topic = ? AND (strikes > 0) = 1 AND ready_at <= ?"),
        fresh: readyIn("topic = ? AND (strikes > 0) = 0 AND ready_at <= ?"),
      },
      done: prepare("DELETE FROM outbox WHERE topic = ? AND id = ? AND token = ? AND is_revised = 0"),
      bury: prepare(
        `INSERT INTO outbox_buried (topic, id, body, problem)
           SELECT topic, id, body, ? FROM outbox WHERE topic = ? AND id = ? AND token = ? AND is_revised = 0`,
      ),
      again: prepare(
        `UPDATE outbox SET token = NULL, is_revised = 0, ready_at = ?, strikes = 0, struck_at = NULL
           WHERE topic = ? AND id = ? AND token = ?`,
      ),
      later: prepare(
        `UPDATE outbox SET token = NULL, is_revised = 0, ready_at = ?, strikes = strikes + ?, struck_at = coalesce(struck_at, ?)
           WHERE topic = ? AND id = ? AND token = ?`,
      ),
      struckCount: prepare("SELECT count(*) AS struck FROM outbox WHERE topic = ? AND struck_at IS NOT NULL"),
      trimStruck: prepare(
        `DELETE FROM outbox WHERE rowid IN
           (SELECT rowid FROM outbox WHERE topic = ? AND struck_at IS NOT NULL ORDER BY struck_at, rowid LIMIT ?)`,
      ),
      trim: prepare(
        `DELETE FROM outbox_buried WHERE topic = ? AND number <=
           (SELECT number FROM outbox_buried WHERE topic = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`,
      ),
      buriedCount: prepare("SELECT count(*) AS buried FROM outbox_buried WHERE topic = ?"),
      buried: prepare("SELECT id, body, problem FROM outbox_buried WHERE topic = ? ORDER BY number DESC LIMIT ?"),
    };
  });
}

function openTables(database: Database, { waitingMax, struckMax, buriedMax }: OutboxBounds) {
  const sql = preparedOver(database);
  const readyOf = (struck: boolean | undefined) =>
    struck === undefined ? sql.readyOf.all : struck ? sql.readyOf.struck : sql.readyOf.fresh;
  const waiting = (topic: string): number => Number(sql.waiting.get(topic)?.waiting ?? 0);
  return {
    add: ({ topic, id, body, readyAt, isDoubtful = false }: OutboxItem, now: number): OutboxAdded => {
      const known = sql.find.get(topic, id);
      if (known === undefined) {
        if (waiting(topic) >= waitingMax) return "full";
        sql.insert.run(topic, id, JSON.stringify(body), now, readyAt, ...(isDoubtful ? [1, now] : [0, null]));
        return "added";
      }
      const merged = mergedBody(bodyOf(known), body);
      if (merged === null) return "unchanged";
      sql.revise.run(JSON.stringify(merged), topic, id);
      return "replaced";
    },
    hasReady: (topic: string, now: number, struck: boolean | undefined): boolean =>
      readyOf(struck).any.get(topic, now) !== undefined,
    claim: (what: {
      readonly topic: string;
      readonly token: string;
      readonly limit: number;
      readonly until: number;
      readonly now: number;
      readonly struck: boolean | undefined;
    }): OutboxEntry[] => {
      const { topic, token, limit, until, now, struck } = what;
      const { first, lease } = readyOf(struck);
      const rows = first.all(topic, now, limit);
      lease.run(token, until, topic, now, limit);
      return rows.map(toEntry);
    },
    settle: (
      topic: string,
      token: string,
      { settlement, now }: { settlement: OutboxSettlement; now: number },
    ): void => {
      const held = [topic, settlement.id, token] as const;
      if (settlement.kind === "later") {
        const { at, isStrike } = settlement;
        sql.later.run(at, isStrike ? 1 : 0, isStrike ? now : null, ...held);
        return;
      }
      if (settlement.kind === "buried") sql.bury.run(settlement.problem, ...held);
      sql.done.run(...held);
      // What is still held got other content while it was under way.
      sql.again.run(now, ...held);
    },
    trimStruck: (topic: string): number => {
      const surplus = Number(sql.struckCount.get(topic)?.struck ?? 0) - struckMax;
      return surplus <= 0 ? 0 : Number(sql.trimStruck.run(topic, surplus).changes);
    },
    trimBuried: (topic: string): number => Number(sql.trim.run(topic, topic, buriedMax).changes),
    counts: (topic: string) => ({
      waiting: waiting(topic),
      buried: Number(sql.buriedCount.get(topic)?.buried ?? 0),
    }),
    readBuried: (topic: string, limit: number) =>
      sql.buried
        .all(topic, limit)
        .map((row) => ({ id: String(row.id), body: bodyOf(row), problem: String(row.problem) })),
  };
}

const Body = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

const bodyOf = (row: Record<string, SQLOutputValue>) => Body.parse(JSON.parse(String(row.body)));

const toEntry = (row: Record<string, SQLOutputValue>): OutboxEntry => ({
  id: String(row.id),
  body: bodyOf(row),
  addedAt: Number(row.added_at),
  strikes: Number(row.strikes),
  struckAt: row.struck_at === null ? null : Number(row.struck_at),
});
