import { z } from "zod";
import { addStream, policyBoard, segmentBoard, type Boards, type SegmentBoard } from "./boards.ts";
import { streamKey } from "./calibrate.ts";
import { poolKey } from "./calibrate-pools.ts";
import { HOUR_NUMBERS } from "./hour.ts";
import { Objective } from "./policy.ts";
import { newPool, POOL_NUMBERS } from "./pool.ts";
import { REFERENCE_AMOUNTS, REFERENCE_NUMBERS, type Reference } from "./reference.ts";
import type { SessionState } from "./session-values.ts";
import { fill, numbersOf } from "./slab.ts";
import { newWatch, STREAM_NUMBERS, WATCH_NUMBERS, type Stream } from "./stream.ts";
import { Change } from "./switchover.ts";
import type { TrialState } from "./trial.ts";

/** Raised whenever what is saved changes its shape or its meaning: a checkpoint of another version is not read. */
const VERSION = 5;

const record = (width: number) => z.array(z.number()).length(width);
const At = z.number();
/** The place of a stream's key in `rows`. */
const RowNumber = z.int().nonnegative();

const Saved = z.strictObject({
  version: z.literal(VERSION),
  /** By `policy/segment/variant/metric`; each number in its place. */
  streams: z.record(
    z.string(),
    z.strictObject({
      meaning: z.string().nullable(),
      numbers: record(STREAM_NUMBERS),
      watches: z.array(
        z.strictObject({ objective: Objective, alarm: z.string().nullable(), numbers: record(WATCH_NUMBERS) }),
      ),
    }),
  ),
  pools: z.array(
    z.strictObject({
      policy: z.string(),
      metric: z.string(),
      pool: z.string(),
      meaning: z.string(),
      numbers: record(POOL_NUMBERS),
    }),
  ),
  /** By `policy/segment`. */
  references: z.record(
    z.string(),
    z.array(
      z.strictObject({
        metric: z.string(),
        meaning: z.string().nullable(),
        learnt: z.array(z.number()).max(REFERENCE_AMOUNTS),
        frozen: record(REFERENCE_NUMBERS).nullable(),
      }),
    ),
  ),
  /** Canaries by `policy/segment`. */
  trials: z.record(
    z.string(),
    z.strictObject({ id: z.string(), change: Change, trial: z.looseObject({ startedAt: At }) }),
  ),
  /** By `policy` and `policy/segment`. */
  exposures: z.record(z.string(), record(HOUR_NUMBERS)),
  sessions: z.strictObject({
    rows: z.array(z.string()),
    waiting: z.array(z.tuple([RowNumber, z.string(), At, At, z.number(), z.number()])),
    handed: z.array(z.tuple([RowNumber, z.string(), z.number()])),
    watermark: At,
    movedAt: At.nullable(),
  }),
  /** The last outcomes. */
  seen: z.array(z.int().positive()),
});
type Saved = z.infer<typeof Saved>;

/** Everything that is measured as plain JSON. */
export function saveBoards(boards: Boards, sessions: SessionState, seen: readonly number[]): Saved {
  const saved: Saved = {
    version: VERSION,
    streams: {},
    pools: [],
    references: {},
    trials: {},
    exposures: {},
    sessions: saveSessions(sessions),
    seen: [...seen],
  };
  for (const policy of boards.policies.values()) {
    if (policy.exposures !== null) saved.exposures[policy.id] = numbersOf(policy.exposures, HOUR_NUMBERS);
    for (const pool of policy.pools.values()) {
      const { metric, pool: name, meaning } = pool;
      saved.pools.push({ policy: policy.id, metric, pool: name, meaning, numbers: numbersOf(pool, POOL_NUMBERS) });
    }
    for (const board of policy.segments.values()) {
      if (board.references.length > 0) saved.references[board.key] = board.references.map(saveReference);
      if (board.exposures !== null) saved.exposures[board.key] = numbersOf(board.exposures, HOUR_NUMBERS);
      if (board.canary !== null)
        saved.trials[board.key] = structuredClone({ ...board.canary, trial: { ...board.canary.trial } });
      for (const stream of board.streams) saved.streams[keyOf(board, stream)] = saveStream(boards, stream);
    }
  }
  return saved;
}

const keyOf = ({ policy, id }: SegmentBoard, { variant, metric }: Stream): string =>
  streamKey({ policy: policy.id, segment: id, variant, metric });

const saveStream = ({ alarms }: Boards, stream: Stream): Saved["streams"][string] => ({
  meaning: stream.meaning,
  numbers: numbersOf(stream, STREAM_NUMBERS),
  watches: stream.watches.map((watch) => ({
    objective: { ...watch.objective },
    alarm: alarms.get(watch) ?? null,
    numbers: numbersOf(watch, WATCH_NUMBERS),
  })),
});

const saveReference = ({ learnt, frozen, ...about }: Reference): Saved["references"][string][number] => ({
  ...about,
  learnt: [...learnt],
  frozen: frozen === null ? null : [...frozen],
});

function saveSessions({ waiting, handed, watermark, movedAt }: SessionState): Saved["sessions"] {
  const rows = new Map<string, number>();
  const rowOf = ({ board, stream }: { readonly board: SegmentBoard; readonly stream: Stream }): number => {
    const key = keyOf(board, stream);
    const row = rows.get(key) ?? rows.size;
    rows.set(key, row);
    return row;
  };
  return {
    waiting: waiting.map((value) => [
      rowOf(value),
      value.session,
      value.firstAt,
      value.at,
      value.labels,
      value.lossSum,
    ]),
    handed: handed.map((value) => [rowOf(value), value.session, value.firstAt]),
    rows: [...rows.keys()],
    watermark,
    movedAt,
  };
}

/** What is left of a checkpoint beside the boards. */
export interface Loaded {
  readonly sessions: SessionState;
  readonly seen: readonly number[];
}

/**
 * Fills empty boards with what `saveBoards` gave.
 * @throws ZodError for a shape that is not ours, or of another version
 */
export function loadBoards(boards: Boards, json: unknown): Loaded {
  const saved = Saved.parse(json);
  const streams = new Map<string, { readonly board: SegmentBoard; readonly stream: Stream }>();
  for (const [key, each] of Object.entries(saved.streams)) {
    const [policy = "", segment = "", variant = "", metric = ""] = key.split("/");
    const board = segmentBoard(boards, policy, segment);
    const stream = addStream(boards, board, variant, metric);
    loadStream(boards, stream, each);
    streams.set(key, { board, stream });
  }
  for (const { policy, metric, pool, meaning, numbers } of saved.pools) {
    const made = newPool({ metric, pool, meaning }, boards.slabs.pools.take());
    fill(made, numbers);
    policyBoard(boards, policy).pools.set(poolKey(metric, pool), made);
  }
  for (const [key, references] of Object.entries(saved.references))
    for (const { learnt, frozen, ...about } of references)
      boardOf(boards, key).references.push({
        ...about,
        learnt: [...learnt],
        frozen: frozen === null ? null : Float64Array.from(frozen),
      });
  for (const [key, { id, change, trial }] of Object.entries(saved.trials))
    boardOf(boards, key).canary = { id, change, trial: structuredClone(trial) as unknown as TrialState };
  for (const [key, numbers] of Object.entries(saved.exposures)) {
    const counted = key.includes("/") ? boardOf(boards, key) : policyBoard(boards, key);
    fill((counted.exposures = boards.slabs.exposures.take()), numbers);
  }
  return { sessions: loadSessions(saved.sessions, streams), seen: saved.seen };
}

function boardOf(boards: Boards, key: string): SegmentBoard {
  const [policy = "", segment = ""] = key.split("/");
  return segmentBoard(boards, policy, segment);
}

function loadStream(boards: Boards, stream: Stream, { meaning, numbers, watches }: Saved["streams"][string]): void {
  stream.meaning = meaning;
  fill(stream, numbers);
  stream.watches = watches.map(({ objective, alarm, numbers: each }) => {
    const watch = newWatch(objective, boards.slabs.watches.take());
    fill(watch, each);
    if (alarm !== null) boards.alarms.set(watch, alarm);
    return watch;
  });
}

function loadSessions(
  { rows, waiting, handed, watermark, movedAt }: Saved["sessions"],
  streams: ReadonlyMap<string, { readonly board: SegmentBoard; readonly stream: Stream }>,
): SessionState {
  const rowOf = (row: number) => streams.get(rows[row] ?? "");
  return {
    waiting: waiting.flatMap(([row, session, firstAt, at, labels, lossSum]) => {
      const found = rowOf(row);
      return found === undefined
        ? []
        : [{ ...found, session, meaning: found.stream.meaning, firstAt, at, labels, lossSum }];
    }),
    handed: handed.flatMap(([row, session, firstAt]) => {
      const found = rowOf(row);
      return found === undefined ? [] : [{ ...found, session, firstAt }];
    }),
    watermark,
    movedAt,
  };
}
