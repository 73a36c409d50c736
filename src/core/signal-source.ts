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
  readonly method: "GET";
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** What was understood of an answer. */
export interface SourceReading {
  readonly signals: readonly Signal[];
  /** How many things of the answer say nothing to us, by reason. */
  readonly ignored: Readonly<Record<string, number>>;
  /** Where the answer goes on, or null. */
  readonly cursor: string | null;
}

/** The part of the state that tells what a signal can be about. */
export type SignalTargets = Pick<ControlState, "policies" | "segments" | "switchovers">;

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
  readonly read: (ref: SourceRef, settings: Settings, cursor: string | null) => SourceRequest;
  /** @param answer the parsed JSON of the answer to `read` */
  readonly toSignals: (answer: unknown, targets: SignalTargets, settings: Settings) => SourceReading;
}

/** A source whose settings are known; what the verbs use. */
export interface ConfiguredSource {
  readonly id: string;
  readonly baseUrl: string;
  readonly acceptsWebhooks: boolean;
  readonly refuse: (delivery: Delivery) => string | null;
  readonly deliveryId: (delivery: Delivery) => string;
  readonly refsOf: (delivery: Delivery) => readonly SourceRef[];
  readonly read: (ref: SourceRef, cursor: string | null) => SourceRequest;
  readonly toSignals: (answer: unknown, targets: SignalTargets) => SourceReading;
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
    read: (ref, cursor) => source.read(ref, settings, cursor),
    toSignals: (answer, targets) => source.toSignals(answer, targets, settings),
  };
}
