import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";

/** The state after an operator did these things, a millisecond each. */
export const stateAfter = (events: readonly Event[], state: ControlState = emptyState): ControlState =>
  fold(
    state,
    events.map((event, i) => ({
      seq: state.head.seq + 1 + i,
      at: 1000 + i,
      actor: { kind: "operator" as const, id: "test" },
      event,
      prev: "",
      hash: `hash-${state.head.seq + 1 + i}`,
    })),
  );
