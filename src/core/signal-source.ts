import type { z } from "zod";
import type { Signal } from "./signal.ts";
import type { ControlState } from "./state.ts";

/** A webhook call as it arrived. */
export interface Delivery {
  readonly rawBody: Uint8Array;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What a delivery points at: one thing by id or by name, or, when it names nothing, everything. */
export type SourceRef =
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "sweep" };

/** A request that is described, not made. `path` begins with a slash and follows the configured base URL. */
export interface SourceRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON; only with POST. Asking again must be harmless, because it is done after a failure. */
  readonly body?: unknown;
  /** Another address of the same vendor, where it is not the source's own. */
  readonly baseUrl?: string;
}

/** What is asked of a source, and how its answer reads. */
export interface SourceQuestion {
  readonly request: SourceRequest;
  /** @param json the parsed answer */
  readonly toReading: (json: unknown, context: SourceContext) => SourceReading;
  /** What to ask where there is no such thing; a reference that leads nowhere is counted when absent. */
  readonly otherwise?: SourceQuestion;
}

/** What was understood of an answer. */
export interface SourceReading {
  readonly signals: readonly Signal[];
  /** How many things of the answer say nothing to us, by reason. */
  readonly ignored: Readonly<Record<string, number>>;
  /** What the answer leads to, such as its next page. */
  readonly next?: readonly SourceQuestion[];
  /** Why the answer as a whole tells nothing and what to do about it; a single thing in it that is not understood is only ignored. */
  readonly problem?: string;
}

/** Something that has to be right before a source is worth asking, such as the name of a project. */
export interface SourceCheck {
  readonly request: SourceRequest;
  /** What is wrong and what to do about it, or null. */
  readonly problemOf: (answer: SourceAnswer) => string | null;
}

export interface SourceAnswer {
  readonly json: unknown;
  readonly headers: Pick<Headers, "get">;
}

/** The part of the state that tells what a signal can be about, and what was recorded last. */
export type SignalTargets = Pick<
  ControlState,
  "policies" | "segments" | "switchovers" | "signals" | "flagEffects" | "rows"
>;

/** What a source may look at when it asks and when it reads. */
export interface SourceContext {
  readonly targets: SignalTargets;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * A place that signals come from, as pure descriptions: a verb makes the requests. The webhook is a
 * doorbell: what it claims is never recorded, only what the source answers when it is read.
 */
export interface SignalSource<Settings = unknown> {
  readonly id: string;
  readonly settings: z.ZodType<Settings>;
  /** For people: what to set so that its webhook works. */
  readonly howToConfigure: string;
  readonly baseUrl: (settings: Settings) => string;
  /** False when the source can be read but its webhook cannot be verified. */
  readonly acceptsWebhooks: (settings: Settings) => boolean;
  /** Why a delivery is not believed, or null when it is genuine. */
  readonly refuse: (delivery: Delivery, settings: Settings) => string | null;
  /** The same delivery twice has the same id. */
  readonly deliveryId: (delivery: Delivery) => string;
  readonly refsOf: (delivery: Delivery, settings: Settings) => readonly SourceRef[];
  /** What to ask for a reference; a sweep may need many questions, which follow from the state. */
  readonly questions: (ref: SourceRef, settings: Settings, context: SourceContext) => readonly SourceQuestion[];
  /** What is asked before the first sweep, and again until nothing is wrong. */
  readonly checks?: (settings: Settings) => readonly SourceCheck[];
  /** The source is asked no more often than this; as often as need be when absent. */
  readonly requestsPerMinute?: (settings: Settings) => number;
}

/** A source whose settings are known; what the verbs use. */
export interface ConfiguredSource {
  readonly id: string;
  readonly baseUrl: string;
  readonly acceptsWebhooks: boolean;
  readonly refuse: (delivery: Delivery) => string | null;
  readonly deliveryId: (delivery: Delivery) => string;
  readonly refsOf: (delivery: Delivery) => readonly SourceRef[];
  readonly questions: (ref: SourceRef, context: SourceContext) => readonly SourceQuestion[];
  readonly checks: readonly SourceCheck[];
  /** Infinite where nothing limits it. */
  readonly requestsPerMinute: number;
}

/** Gives a source's parts their settings' type. */
export const defineSource = <Settings>(source: SignalSource<Settings>): SignalSource<Settings> => source;

/** @throws ZodError on settings that the source cannot use */
export function configureSource<Settings>(source: SignalSource<Settings>, input: unknown): ConfiguredSource {
  const settings = source.settings.parse(input);
  return {
    id: source.id,
    baseUrl: source.baseUrl(settings),
    acceptsWebhooks: source.acceptsWebhooks(settings),
    refuse: (delivery) => source.refuse(delivery, settings),
    deliveryId: source.deliveryId,
    refsOf: (delivery) => source.refsOf(delivery, settings),
    questions: (ref, context) => source.questions(ref, settings, context),
    checks: source.checks?.(settings) ?? [],
    requestsPerMinute: source.requestsPerMinute?.(settings) ?? Number.POSITIVE_INFINITY,
  };
}
