import type { SegmentBoard } from "./boards.ts";
import type { Stream } from "./stream.ts";

/** Labels of a session count together when they were served within this time of the one heard first. */
const SESSION_MS = 60_000;
/** After which a session that is heard again gives another value: what it says by then is news. */
const RENEWED_MS = 600_000;
/** Sessions that may wait; the oldest is handed on early. */
const WAITING_MAX = 10_000;
/** Sessions that are known to have been handed on; of these the last ones survive a restart. */
const HANDED_MAX = 20_000;
const HANDED_SAVED = 10_000;

/** One session's labels on one stream: they share their fate, so that together they are one piece of evidence. */
export interface SessionValue {
  readonly session: string;
  readonly board: SegmentBoard;
  readonly stream: Stream;
  /** The stream's meaning then: of a stream that means something else by now the labels are no evidence. */
  readonly meaning: string | null;
  /** When the label that was heard first was served, epoch milliseconds. */
  readonly firstAt: number;
  /** When the earliest of them was served. */
  at: number;
  labels: number;
  lossSum: number;
}

/** The one value of a session: the mean loss of its labels. */
type HandOn = (value: SessionValue, loss: number) => void;

interface Label extends Pick<SessionValue, "session" | "board" | "stream"> {
  readonly loss: number;
  readonly at: number;
}

/** Makes one value of the labels of each session and stream. */
export interface SessionValues {
  /** Takes in a label; the value is handed on when labels from a minute later have been heard. */
  readonly take: (label: Label) => void;
  /** Hears that something was served at `at`, in whatever session. */
  readonly hear: (at: number) => void;
  /** Hands on what waits when nothing newer was heard for a minute. */
  readonly calibrate: (now: number) => void;
  readonly state: () => SessionState;
}

/** What a restart needs. */
export interface SessionState {
  /** By `firstAt`. */
  readonly waiting: readonly SessionValue[];
  /** Oldest first. */
  readonly handed: readonly Pick<SessionValue, "session" | "board" | "stream" | "firstAt">[];
  /** The latest time at which anything was served. */
  readonly watermark: number;
  /** When it was last seen to have moved, by the clock of `calibrate`; null when it has moved since. */
  readonly movedAt: number | null;
}

export function createSessionValues(saved: SessionState | null, handOn: HandOn): SessionValues {
  const index = createIndex();
  const waiting = createWaiting();
  /** A ring: the member at `handedCount % HANDED_MAX` is the oldest. */
  const handed: SessionValue[] = [];
  let handedCount = 0;
  let watermark = saved?.watermark ?? 0;
  let movedAt = saved?.movedAt ?? null;

  const keepHanded = (value: SessionValue): void => {
    const oldest = handed[handedCount % HANDED_MAX];
    if (oldest !== undefined) index.drop(oldest);
    handed[handedCount % HANDED_MAX] = value;
    handedCount += 1;
  };
  const handOnFirst = (): void => {
    const value = waiting.shift();
    if (value === undefined) return;
    const loss = value.lossSum / value.labels;
    keepHanded(value);
    if (isStillMeant(value)) handOn(value, loss);
  };
  const handOnUntil = (firstAt: number): void => {
    for (let next = waiting.first(); next !== undefined && next.firstAt <= firstAt; next = waiting.first())
      handOnFirst();
  };
  const wait = (value: SessionValue): void => {
    waiting.insert(value);
    index.add(value);
    if (waiting.size() > WAITING_MAX) handOnFirst();
  };
  const renew = (value: SessionValue | undefined, label: Label): void => {
    if (value !== undefined) index.drop(value);
    wait(begun(label));
  };
  const hear = (at: number): void => {
    if (at <= watermark) return;
    watermark = at;
    movedAt = null;
    handOnUntil(watermark - SESSION_MS);
  };

  for (const value of saved?.waiting ?? []) wait({ ...value });
  for (const { session, board, stream, firstAt } of saved?.handed ?? []) {
    const value = { session, board, stream, meaning: null, firstAt, at: firstAt, labels: 0, lossSum: 0 };
    index.add(value);
    keepHanded(value);
  }
  return {
    hear,
    take: (label) => {
      hear(label.at);
      const value = index.find(label.session, label.stream);
      // A session that goes on for hours, or comes back each day, is heard again each time, or its rows would fall silent.
      if (value === undefined || label.at - value.firstAt >= RENEWED_MS) renew(value, label);
      else if (Math.abs(label.at - value.firstAt) < SESSION_MS) join(value, label);
      // One that is heard of late has been waited for already.
      handOnUntil(watermark - SESSION_MS);
    },
    calibrate: (now) => {
      // A clock that went back begins the minute again.
      movedAt = movedAt === null ? now : Math.min(movedAt, now);
      if (now - movedAt >= SESSION_MS) handOnUntil(Infinity);
    },
    state: () => ({
      waiting: waiting.all().filter(isStillMeant),
      handed: inOrder(handed, handedCount).slice(-HANDED_SAVED),
      watermark,
      movedAt,
    }),
  };
}

const begun = ({ session, board, stream, loss, at }: Label): SessionValue => ({
  session,
  board,
  stream,
  meaning: stream.meaning,
  firstAt: at,
  at,
  labels: 1,
  lossSum: loss,
});

function join(value: SessionValue, { loss, at }: Label): void {
  value.at = Math.min(value.at, at);
  value.labels += 1;
  value.lossSum += loss;
}

/** Values by session: each has few streams, so they are searched. */
function createIndex() {
  const bySession = new Map<string, SessionValue[]>();
  return {
    find: (session: string, stream: Stream): SessionValue | undefined =>
      bySession.get(session)?.find((value) => value.stream === stream),
    add: (value: SessionValue): void => {
      const values = bySession.get(value.session);
      if (values === undefined) bySession.set(value.session, [value]);
      else values.push(value);
    },
    drop: (value: SessionValue): void => {
      const { session } = value;
      const others = (bySession.get(session) ?? []).filter((other) => other !== value);
      if (others.length === 0) bySession.delete(session);
      else bySession.set(session, others);
    },
  };
}

/** Values in the order of their first labels. */
function createWaiting() {
  let values: SessionValue[] = [];
  /** Those before it are gone; they are cleared away now and then, because each time would copy the others. */
  let head = 0;
  return {
    first: (): SessionValue | undefined => values[head],
    shift: (): SessionValue | undefined => {
      const value = values[head];
      if (value !== undefined) head += 1;
      if (head > WAITING_MAX) {
        values = values.slice(head);
        head = 0;
      }
      return value;
    },
    insert: (value: SessionValue): void => {
      // Nearly always the last place; late labels belong before.
      let place = values.length;
      while (place > head && (values[place - 1]?.firstAt ?? 0) > value.firstAt) place -= 1;
      if (place === values.length) values.push(value);
      else values.splice(place, 0, value);
    },
    size: (): number => values.length - head,
    all: (): readonly SessionValue[] => values.slice(head),
  };
}

const isStillMeant = ({ meaning, stream }: SessionValue): boolean => meaning === null || meaning === stream.meaning;

/** A ring's members, oldest first. */
const inOrder = <T>(ring: readonly T[], count: number): readonly T[] => {
  const oldest = count > ring.length ? count % ring.length : 0;
  return [...ring.slice(oldest), ...ring.slice(0, oldest)];
};
