import type { SQLOutputValue } from "node:sqlite";
import { z } from "zod";
import { assert } from "../core/errors.ts";
import { Target } from "../core/policy.ts";
import type { Counters, Exposure, Exposures, Log } from "../ports.ts";
import { everyInterval, type Every } from "./sqlite-follower.ts";
import type { Database } from "./sqlite.ts";

/** Rows written in one transaction; a full batch is written without waiting for the interval. */
const BATCH = 500;

export interface SqliteExposuresOptions {
  /** Rows kept; the oldest go first. */
  readonly rowsMax?: number;
  /** Exposures held in memory while the disk is slow or failing. */
  readonly bufferMax?: number;
  readonly flushMs?: number;
  readonly every?: Every;
}

export interface ExposureQuery {
  readonly policy: string;
  readonly segment?: string;
  readonly limit: number;
}

/** An exposure as reports count it, without whom it was for. */
export interface ExposureFigures {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly status: number;
  readonly latencyMs: number;
  readonly error: string | null;
  readonly costUsd: number | null;
}

export interface SqliteExposures extends Exposures {
  /**
   * Shows each exposure that was decided from `since` on and before `until`, a page at a time: in between others get their
   * turn. Pages are found by their ids, which grow with time, so that neither an index nor a pass over older rows is needed.
   * An answer that took longer than six hours may be left out.
   * @returns when the oldest exposure that is kept was decided; null while there is none
   */
  readonly scan: (
    period: { readonly since: number; readonly until: number },
    visit: (figures: ExposureFigures) => void,
  ) => Promise<number | null>;
  /** The newest exposures first, those still in memory too where the disk takes them. */
  readonly recent: (query: ExposureQuery) => Promise<readonly Exposure[]>;
  /** Writes what is buffered and stops; what could not be written is counted as dropped. The database stays open. */
  readonly close: () => Promise<void>;
}

/**
 * Exposures in an open database, one of the kind `exposures`. No failure of the disk reaches
 * `record` or `flush`: it is logged, the buffer is tried again, and what no longer fits is counted
 * as `segue_exposures_dropped_total`.
 */
export function createSqliteExposures(
  database: Database,
  deps: { readonly counters: Counters; readonly log: Log },
  options: SqliteExposuresOptions = {},
): SqliteExposures {
  const { rowsMax = 1_000_000, bufferMax = 10_000, flushMs = 1000, every = everyInterval } = options;
  assert(rowsMax > 0 && bufferMax > 0, "exposures need room for at least one row");
  const table = openTable(database, rowsMax);
  let buffer: Exposure[] = [];
  let isFailing = false;
  let isClosed = false;
  let scheduled: NodeJS.Immediate | null = null;

  const drop = (count: number) => deps.counters.add("segue_exposures_dropped_total", {}, count);
  const flush = async () => {
    try {
      while (buffer.length > 0) {
        // No await in between: what is recorded meanwhile would be taken out with the batch.
        const batch = buffer.slice(0, BATCH);
        table.write(batch);
        buffer = buffer.slice(batch.length);
      }
      if (isFailing) deps.log.info("Exposures are written again.", { file: database.file });
      isFailing = false;
    } catch (error) {
      // Once for each outage, not once for each attempt.
      if (!isFailing)
        deps.log.warn("Exposures cannot be written; they are kept in memory until they no longer fit.", {
          file: database.file,
          error: String(error),
        });
      isFailing = true;
    }
  };
  const flushSoon = () => {
    scheduled ??= setImmediate(() => {
      scheduled = null;
      void flush();
    });
  };
  const stop = every(flushMs, () => void flush());

  return {
    record: (exposure) => {
      if (isClosed || buffer.length >= bufferMax) return drop(1);
      buffer.push(exposure);
      if (buffer.length >= BATCH && !isFailing) flushSoon();
    },
    flush,
    recent: async (query) => {
      await flush();
      return database.attempt(() => table.recent(query));
    },
    scan: async (period, visit) => {
      await flush();
      return scanExposures(database, period, visit);
    },
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      stop();
      if (scheduled !== null) clearImmediate(scheduled);
      await flush();
      if (buffer.length > 0) drop(buffer.length);
      buffer = [];
    },
  };
}

function openTable({ connection, attempt, transaction }: Database, rowsMax: number) {
  attempt(() => addMissingColumn(connection));
  const { insert, trim, ofPolicy, ofSegment } = attempt(() => ({
    insert: connection.prepare(
      `INSERT INTO exposures (prediction_id, at, policy, segment, variant, revision, reason, unit, key_id, attributes,
         status, latency_ms, error, answered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    // Ids have no gaps, so the rows to keep are the last `rowsMax` ids.
    trim: connection.prepare("DELETE FROM exposures WHERE id <= (SELECT max(id) FROM exposures) - ?"),
    ofPolicy: connection.prepare("SELECT * FROM exposures WHERE policy = ? ORDER BY id DESC LIMIT ?"),
    ofSegment: connection.prepare("SELECT * FROM exposures WHERE policy = ? AND segment = ? ORDER BY id DESC LIMIT ?"),
  }));
  return {
    write: (batch: readonly Exposure[]) =>
      transaction("write", () => {
        for (const { predictionId, at, policy, segment, variant, revision, reason, ...rest } of batch) {
          const { unit, keyId, attributes, status, latencyMs, error, answered } = rest;
          const facts = [predictionId, at, policy, segment, variant, revision, reason, unit, keyId] as const;
          const known = answered === null ? null : JSON.stringify(answered);
          insert.run(...facts, JSON.stringify(attributes), status, latencyMs, error, known);
        }
        trim.run(rowsMax);
      }),
    recent: ({ policy, segment, limit }: ExposureQuery): Exposure[] =>
      (segment === undefined ? ofPolicy.all(policy, limit) : ofSegment.all(policy, segment, limit)).map(toExposure),
  };
}

/** About two milliseconds of reading, for which nothing else runs. */
const PAGE = 2000;
/** Rows are in the order in which answers ended; this is how much later that may be than the decision. */
const ANSWER_MS_MAX = 6 * 3_600_000;

async function scanExposures(
  { connection, attempt }: Database,
  { since, until }: { readonly since: number; readonly until: number },
  visit: (figures: ExposureFigures) => void,
): Promise<number | null> {
  const { ends, atOf, page } = attempt(() => ({
    // Asked for both in one go, SQLite reads the whole table.
    ends: connection.prepare(
      "SELECT (SELECT min(id) FROM exposures) AS first, (SELECT max(id) FROM exposures) AS last",
    ),
    atOf: connection.prepare("SELECT at FROM exposures WHERE id >= ? ORDER BY id LIMIT 1"),
    page: connection.prepare(
      `SELECT id, at, policy, segment, variant, status, latency_ms, error, json_extract(answered, '$.costUsd')
         FROM exposures WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`,
    ),
  }));
  page.setReturnArrays(true);
  const { first, last } = attempt(() => ends.get()) ?? {};
  if (first == null || last == null) return null;
  const readAt = (id: number): number => Number(attempt(() => atOf.get(id))?.at ?? Infinity);
  let [low, high] = [Number(first), Number(last) + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (readAt(middle) < since - ANSWER_MS_MAX) low = middle + 1;
    else high = middle;
  }
  for (let after = low - 1; ;) {
    const rows = attempt(() => page.all(after, last, PAGE)) as unknown as SQLOutputValue[][];
    for (const row of rows) {
      const at = Number(row[1]);
      if (at >= since && at < until) visit(figuresOf(row, at));
    }
    if (rows.length < PAGE) break;
    after = Number(rows.at(-1)?.[0]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return readAt(Number(first));
}

const figuresOf = (row: readonly SQLOutputValue[], at: number): ExposureFigures => {
  const [, , policy, segment, variant, status, latencyMs, error, costUsd] = row;
  return {
    at,
    policy: String(policy),
    segment: String(segment),
    variant: String(variant),
    status: Number(status),
    latencyMs: Number(latencyMs),
    error: error == null ? null : String(error),
    costUsd: costUsd == null ? null : Number(costUsd),
  };
};

/** Files of the first version did not say who answered. */
function addMissingColumn(connection: Database["connection"]): void {
  const columns = connection.prepare("SELECT name FROM pragma_table_info('exposures')").all();
  if (columns.some(({ name }) => name === "answered")) return;
  connection.exec("ALTER TABLE exposures ADD COLUMN answered TEXT");
}

const Attributes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const Answered = z.object({
  target: Target,
  attempts: z.number(),
  firstByteMs: z.number(),
  usage: z
    .object({
      inputTokens: z.number(),
      cachedTokens: z.number(),
      cacheWriteTokens: z.number(),
      outputTokens: z.number(),
    })
    .nullable(),
  costUsd: z.number().nullable(),
});

const toExposure = (row: Record<string, SQLOutputValue>): Exposure => ({
  predictionId: String(row.prediction_id),
  at: Number(row.at),
  policy: String(row.policy),
  segment: String(row.segment),
  variant: String(row.variant),
  revision: Number(row.revision),
  reason: String(row.reason),
  unit: row.unit === null ? null : String(row.unit),
  keyId: row.key_id === null ? null : String(row.key_id),
  attributes: Attributes.parse(JSON.parse(String(row.attributes))),
  status: Number(row.status),
  latencyMs: Number(row.latency_ms),
  error: row.error === null ? null : String(row.error),
  answered: row.answered === null ? null : Answered.parse(JSON.parse(String(row.answered))),
});
