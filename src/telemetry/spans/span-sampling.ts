import type { Flags } from "../../ports.ts";

/** Shares kept; beyond that all are asked for again. */
const SHARES_MAX = 10_000;

/** Which answers are exported, by `segue-telemetry`. */
export interface SpanSampling {
  /** By the id's leading 32 bits, so that a larger share takes in all that a smaller one did. @param spanId 16 hex digits */
  readonly takes: (policy: string, segment: string, spanId: string) => boolean;
  readonly close: () => void;
}

/** Asks a segment's flag once, and again when any flag changed: an evaluation costs more than encoding a span. */
export function createSpanSampling(flags: Pick<Flags, "telemetry" | "onChange">): SpanSampling {
  const shares = new Map<string, Map<string, number>>();
  let count = 0;
  const forget = (): void => {
    shares.clear();
    count = 0;
  };
  const stop = flags.onChange(forget);
  const ask = (policy: string, segment: string): number => {
    if (count >= SHARES_MAX) forget();
    const { value } = flags.telemetry(policy, segment);
    let ofPolicy = shares.get(policy);
    if (ofPolicy === undefined) shares.set(policy, (ofPolicy = new Map<string, number>()));
    ofPolicy.set(segment, value);
    count += 1;
    return value;
  };
  return {
    takes: (policy, segment, spanId) => {
      const share = shares.get(policy)?.get(segment) ?? ask(policy, segment);
      return share >= 1 || (share > 0 && Number.parseInt(spanId.slice(0, 8), 16) < share * 2 ** 32);
    },
    close: stop,
  };
}
