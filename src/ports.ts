import type { Actor } from "./core/actor.ts";
import type { Attributes } from "./core/attributes.ts";
import type { Draft, Head, LedgerEntry, StoredEntry } from "./core/ledger.ts";
import type { Turn } from "./core/checks/conversation.ts";
import type { Decision } from "./core/decision.ts";
import type { JudgeModel, Policy, Target } from "./core/policy.ts";
import type { RouterError } from "./core/errors.ts";
import type { ControlState } from "./core/state.ts";
import type { TokenUsage } from "./core/token-usage.ts";
import type { WireFormat } from "./core/wire-format.ts";

/** Epoch milliseconds. */
export interface Clock {
  readonly now: () => number;
}

export interface Random {
  /** `count` cryptographically strong bytes. */
  readonly bytes: (count: number) => Uint8Array;
}

/** Calls back when a time has come, a few dozen milliseconds late at most. */
export interface Deadlines {
  readonly watch: (onDue: () => void) => Deadline;
}

export interface Deadline {
  /** Epoch milliseconds; may be moved at any time, and is infinite again once it was due. */
  dueAt: number;
  readonly end: () => void;
}

/** Structured log lines; secrets and request content never go in. */
export interface Log {
  readonly info: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly warn: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly error: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
}

/** Counts what happened and what was dropped; shown at `/metrics`. */
export interface Counters {
  readonly add: (name: string, labels?: Readonly<Record<string, string>>, by?: number) => void;
}

/** Recovers the state as of an entry without folding what came before it. */
export interface Snapshot {
  readonly head: Head;
  readonly state: ControlState;
}

/**
 * The append-only, hash-chained log of every control-plane event. Adapters hold one chain each and
 * pass `test/contracts/ledger.ts`.
 */
export interface Ledger {
  readonly head: () => Promise<Head>;
  /**
   * Appends all drafts or none, if the head is still at `expectedSeq`.
   * Throws `RouterError` `conflict` when it is not, or when `fence` is older than the lease's.
   */
  readonly append: (
    expectedSeq: number,
    drafts: readonly Draft[],
    options?: { readonly fence?: number },
  ) => Promise<readonly LedgerEntry[]>;
  /** Entries after `seq`, oldest first, at most `limit`. */
  readonly read: (afterSeq: number, limit: number) => Promise<readonly LedgerEntry[]>;
  /** The same, unparsed, for verification and export. */
  readonly readStored: (afterSeq: number, limit: number) => Promise<readonly StoredEntry[]>;
  /** Calls `onGrown` after the chain grew, whoever appended; a hint that may repeat. Returns the way to stop. */
  readonly follow: (onGrown: () => void) => () => void;
  readonly loadSnapshot: () => Promise<Snapshot | null>;
  readonly saveSnapshot: (snapshot: Snapshot) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Exactly one holder acts; `fence` grows with each change of holder. */
export interface Lease {
  /** Takes or renews the lease. @returns the fencing number, or null while another holds it */
  readonly acquire: (holder: string, ttlMs: number, now: number) => Promise<number | null>;
  readonly release: (holder: string) => Promise<void>;
}

/** A small durable blob per name: detector state and other things that may be a little old after a crash. */
export interface Checkpoints {
  readonly load: (name: string) => Promise<unknown>;
  readonly save: (name: string, value: unknown) => Promise<void>;
}

/** Whom flags are evaluated for. */
export interface FlagContext {
  readonly policy: string;
  readonly segment: string;
  /** Hashed before it leaves the process; null when flags are evaluated for the segment as a whole. */
  readonly unit: string | null;
  readonly attributes: Attributes;
}

export interface FlagValue<T> {
  readonly value: T;
  /** The flag system's own reason, such as `FALLTHROUGH` or `RULE_MATCH`. */
  readonly reason: string;
}

/** Flags, evaluated in memory: no call here waits for a network. */
export interface Flags {
  /** `segue-fallback`: empty, `baseline`, or a variant that is forced. */
  readonly fallback: (context: FlagContext) => FlagValue<string>;
  /** `segue-automation`: false stops the loop. */
  readonly automation: (policy: string, segment: string) => FlagValue<boolean>;
  /** `segue-mode`: empty, or a mode that overrides the segment's. */
  readonly mode: (policy: string, segment: string) => FlagValue<string>;
  /** `segue-telemetry`: the share of a segment's answers whose spans are exported, in [0,1]. */
  readonly telemetry: (policy: string, segment: string) => FlagValue<number>;
  /** Called when any flag's definition changed. Returns the way to stop. */
  readonly onChange: (listener: () => void) => () => void;
  readonly status: () => { readonly source: string; readonly ready: boolean; readonly detail: string };
  readonly close: () => Promise<void>;
}

/** Header fields by lower-case name. */
export type HeaderFields = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ProviderRequest {
  readonly wire: WireFormat;
  readonly target: Target;
  /** The body, which is a JSON object and names the target's model. */
  readonly text: string;
  /** Whether the body asks for server-sent events. */
  readonly isStream: boolean;
  /** Headers of the client that may be passed on, already filtered. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * How an upstream's answer arrives: `onSent` where the host can tell that a connection took the request, `onHead`, any number of `onBytes`, then either `onEnd` or `onError`, once. A
 * failure before the answer began is an `onError` alone. Nothing is called after an abort, and within `send` nothing but `onSent`. They are methods: call them on their object.
 */
export interface UpstreamListener {
  onSent(): void;
  onHead(status: number, headers: HeaderFields): void;
  onBytes(bytes: Uint8Array): void;
  onEnd(): void;
  /** `upstream_unavailable`, or `invalid_request` where the request cannot be put to this provider. */
  onError(error: RouterError): void;
}

/** A question to an upstream that is under way. */
export interface UpstreamCall {
  /** Stops bytes from coming, soon: what is under way may still arrive. */
  pause(): void;
  resume(): void;
  /** Lets the upstream go; does nothing after the end. */
  abort(): void;
}

/** One LLM vendor or upstream. Answers whatever the upstream answered. */
export interface Provider {
  readonly id: string;
  readonly wires: ReadonlySet<WireFormat>;
  /** False for an upstream that does not know how to report the usage of a stream when asked. */
  readonly mayAskForUsage?: boolean;
  readonly send: (request: ProviderRequest, listener: UpstreamListener) => UpstreamCall;
}

/** What a judge is asked: whether an answer is good by a rubric. It is told nothing else. */
export interface JudgeQuestion {
  /** What is good, and what 1 and 0 mean. */
  readonly rubric: string;
  /** What was said before the answer, oldest first. */
  readonly request: readonly Turn[];
  readonly answer: string;
}

export interface JudgeVerdict {
  /** In [0,1]; 1 is best. */
  readonly score: number;
  readonly why: string;
}

/** A model that judges. Rejects when it gives no verdict. */
export interface Judge {
  readonly score: (question: JudgeQuestion, signal: AbortSignal) => Promise<JudgeVerdict>;
}

/** The judge that a model makes, or null where its provider is not configured. */
export type Judges = (model: JudgeModel) => Judge | null;

/** What models cost. */
export interface Prices {
  /** US dollars, or null where the price is unknown. */
  readonly costUsd: (target: Target, usage: TokenUsage) => number | null;
}

/** What an upstream's answer was, as far as it is known. */
export interface Answered {
  readonly target: Target;
  /** How many targets were asked, one asked again included. */
  readonly attempts: number;
  /** From the request's arrival to the answer's first byte. */
  readonly firstByteMs: number;
  readonly usage: TokenUsage | null;
  /** Null where the usage or the price is unknown. */
  readonly costUsd: number | null;
}

/** That a decision was served. Its id is the `prediction_id`. */
export interface Exposure {
  readonly predictionId: string;
  readonly at: number;
  readonly policy: string;
  readonly segment: string;
  readonly variant: string;
  readonly revision: number;
  readonly reason: string;
  readonly unit: string | null;
  readonly keyId: string | null;
  readonly attributes: Attributes;
  readonly status: number;
  readonly latencyMs: number;
  readonly error: string | null;
  readonly answered: Answered | null;
}

/** Takes exposures without waiting; bounded, and counts what it drops. */
export interface Exposures {
  readonly record: (exposure: Exposure) => void;
  readonly flush: () => Promise<void>;
}

/** A target that was asked and gave no answer that could be served. */
export interface FailedAttempt {
  readonly target: Target;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** What the upstream answered; null where it gave no answer. */
  readonly status: number | null;
  /** A reason such as `upstream_timeout`. */
  readonly error: string;
}

/** What was asked and answered, as bytes of the wire format. Personal data that was not redacted: it leaves the process only through `privacy`. */
export interface ServedContent {
  /** The client's body. */
  readonly request: Uint8Array;
  readonly answer: readonly Uint8Array[];
  readonly isEventStream: boolean;
  /** False where the answer was cut, or its beginning was forgotten because it was too long. */
  readonly isComplete: boolean;
}

/** One served answer, or one that could not be served, as it becomes a span. What is shared by many answers is referred to, not copied. */
export interface ServedSpan {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** The client's own span, where it sent a `traceparent`. */
  readonly parentSpanId: string | null;
  readonly wire: WireFormat;
  readonly policy: Policy;
  readonly decision: Decision;
  readonly attributes: Attributes;
  readonly session: string | null;
  readonly user: string | null;
  readonly keyId: string | null;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly status: number;
  readonly error: string | null;
  readonly answered: Answered | null;
  /** In the order in which they were asked. */
  readonly failedAttempts: readonly FailedAttempt[];
  /** Null where content is off for the segment. */
  readonly content: ServedContent | null;
}

/** Takes spans without waiting; bounded, and counts what it drops. */
export interface Spans {
  /** Whether the content of such an answer is exported (the segment's privacy, and the sample), so that it must be kept. */
  readonly wantsContent: (policy: Policy, segment: string, spanId: string) => boolean;
  readonly record: (span: ServedSpan) => void;
  /** Sends what waits, as far as the collectors take it. */
  readonly flush: () => Promise<void>;
}

/** Where a verb finds the current control state and writes events; one per process. */
export interface ControlPlane {
  readonly state: () => ControlState;
  /** Reads entries that others appended. Rejects when the ledger cannot be reached. */
  readonly refresh: () => Promise<ControlState>;
  /**
   * The one write path: calls `build` with the current state, appends what it returns with
   * compare-and-set, and starts over on a conflict. An empty list appends nothing.
   */
  readonly commit: (
    actor: Actor,
    build: (state: ControlState, now: number) => readonly Draft["event"][],
    options?: { readonly fence?: number },
  ) => Promise<readonly LedgerEntry[]>;
  /** False while the ledger cannot be reached: the last state is still served. */
  readonly isCurrent: () => boolean;
  readonly onChange: (listener: (state: ControlState) => void) => () => void;
}

/** What is sent, flat: of two with one id, members of the later replace those of the earlier, and those it lacks stay. */
export type OutboxBody = Readonly<Record<string, string | number | boolean | null>>;

export interface OutboxItem {
  /** The destination. */
  readonly topic: string;
  /** Of a topic; what is added under a known id is merged into what waits. */
  readonly id: string;
  readonly body: OutboxBody;
  /** Epoch milliseconds before which it is not claimed. */
  readonly readyAt: number;
  /** Its destination hardly knows what it is about: from the start it counts as one that was unknown once. */
  readonly isDoubtful?: boolean;
}

/** What became of an item: `replaced` what still waits, `unchanged` since it says nothing new, or `full`: it is not kept. */
export type OutboxAdded = "added" | "replaced" | "unchanged" | "full";

/** An item that was claimed. */
export interface OutboxEntry {
  readonly id: string;
  readonly body: OutboxBody;
  /** Epoch milliseconds. */
  readonly addedAt: number;
  /** How often its destination did not know what it is about. */
  readonly strikes: number;
  /** When that was so for the first time, epoch milliseconds. */
  readonly struckAt: number | null;
}

/** What becomes of a claimed item. */
export type OutboxSettlement =
  | { readonly id: string; readonly kind: "done" }
  | { readonly id: string; readonly kind: "later"; readonly at: number; readonly isStrike: boolean }
  | { readonly id: string; readonly kind: "buried"; readonly problem: string };

/**
 * Keeps what is to be sent until it is sent, at least once. Bounded by topic: what does not fit is refused, of what was unknown to its
 * destination those unknown longest are forgotten, and so are the oldest dead letters; all are counted in `segue_outbox_dropped_total`. Adapters pass `test/contracts/outbox.ts`.
 */
export interface Outbox {
  /** They are kept when it resolves. One answer for each, in their order. @param now epoch milliseconds */
  readonly add: (items: readonly OutboxItem[], now: number) => Promise<readonly OutboxAdded[]>;
  /** Takes items that are ready, those ready longest first. Until the lease ends nobody else gets them; then anybody may. */
  readonly claim: (
    topic: string,
    options: {
      readonly limit: number;
      readonly leaseMs: number;
      readonly now: number;
      /** Only those that were unknown once, or only the others. */
      readonly struck?: boolean;
    },
  ) => Promise<{ readonly token: string; readonly entries: readonly OutboxEntry[] }>;
  /** Only what the token's claim still holds is settled. What was merged into while it was claimed waits on after a `done`. */
  readonly settle: (
    topic: string,
    options: {
      readonly token: string;
      readonly settlements: readonly OutboxSettlement[];
      readonly now: number;
    },
  ) => Promise<void>;
  readonly counts: (topic: string) => Promise<{ readonly waiting: number; readonly buried: number }>;
  /** Dead letters, the newest first. */
  readonly readBuried: (
    topic: string,
    limit: number,
  ) => Promise<readonly { readonly id: string; readonly body: OutboxBody; readonly problem: string }[]>;
}

/** What came of sending one item. */
export type Delivery =
  | { readonly kind: "done" }
  /** The destination does not know yet, or never will, what it is about. */
  | { readonly kind: "absent"; readonly problem: string }
  | { readonly kind: "later"; readonly problem: string; readonly afterMs: number }
  | { readonly kind: "never"; readonly problem: string }
  /** The destination takes nothing now. `afterMs`: as long as it asks to be left alone. */
  | { readonly kind: "unavailable"; readonly problem: string; readonly afterMs: number | null };

/** Sends what waits to one destination. */
export interface OutboxSender {
  /** @returns one answer for each, in their order */
  readonly send: (entries: readonly OutboxEntry[]) => Promise<readonly Delivery[]>;
}
