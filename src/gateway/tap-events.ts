import type { ClientHold } from "./client-hold.ts";
import { holdsDone, holdsError, wholeEvents } from "./event-stream-bytes.ts";

/** `complete`: ended with `[DONE]` · `failed`: the upstream reported an error itself · `cut`: it broke off · `left`: the client did. */
export type StreamEnd = "complete" | "failed" | "cut" | "left";

export interface Tap {
  readonly stream: ReadableStream<Uint8Array>;
  /** Ends the tap when the client is known to have left, whether or not anybody still reads the stream. */
  readonly leave: () => void;
}

/** An event longer than this is passed on in parts. */
const HELD_MAX = 64 * 1024;
const EMPTY = new Uint8Array(0);

/**
 * Passes server-sent events on as the bytes they are. The beginning of an unfinished event waits for
 * its end (a client can do nothing with it), so that a cut leaves whole events behind which `cut`,
 * an event as bytes, can follow.
 * @param onEnd called exactly once
 */
export function tapEvents(
  source: ReadableStream<Uint8Array>,
  {
    cut,
    hold,
    onEnd,
  }: { readonly cut: Uint8Array; readonly hold: ClientHold; readonly onEnd: (end: StreamEnd) => void },
): Tap {
  const reader = source.getReader();
  const seen = { done: false, error: false };
  let held: Uint8Array = EMPTY;
  let midEvent = false;
  let ended = false;

  const end = (how: StreamEnd): void => {
    if (ended) return;
    ended = true;
    if (seen.done) return onEnd(seen.error ? "failed" : "complete");
    onEnd(how === "cut" && seen.error ? "failed" : how);
  };
  const forward = (controller: ReadableStreamDefaultController<Uint8Array>, bytes: Uint8Array): void => {
    seen.done ||= holdsDone(bytes, midEvent);
    seen.error ||= holdsError(bytes, midEvent);
    controller.enqueue(bytes);
  };
  /** @returns whether anything was forwarded: a pull that forwards nothing is not repeated by the stream */
  const take = (controller: ReadableStreamDefaultController<Uint8Array>, value: Uint8Array): boolean => {
    const bytes = held.length === 0 ? value : concatenated(held, value);
    const whole = wholeEvents(bytes);
    held = bytes.subarray(whole);
    if (whole > 0) {
      forward(controller, bytes.subarray(0, whole));
      midEvent = false;
    }
    if (held.length <= HELD_MAX) return whole > 0;
    forward(controller, held);
    held = EMPTY;
    midEvent = true;
    return true;
  };
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    if (held.length > 0 && holdsDone(held, midEvent)) forward(controller, held);
    if (!seen.done && !seen.error) {
      if (midEvent) controller.enqueue(BLANK_LINE);
      controller.enqueue(cut);
    }
    end("cut");
    controller.close();
  };
  const leave = (): void => {
    if (ended) return;
    end("left");
    // The upstream is gone already or goes now; there is nobody left to tell of a failure to let it go.
    reader.cancel().catch(() => undefined);
  };
  return {
    leave,
    stream: new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          hold.end();
          for (;;) {
            // A connection that breaks and one that ends are the same here: what counts is whether `[DONE]` came.
            const { value } = await reader.read().catch(() => ({ value: undefined }));
            if (ended) return;
            if (value === undefined) return finish(controller);
            if (take(controller, value)) return hold.begin();
          }
        },
        cancel: leave,
      },
      // Nothing is read ahead of the client, so that a slow client slows the upstream.
      { highWaterMark: 0 },
    ),
  };
}

const BLANK_LINE = new TextEncoder().encode("\n\n");

function concatenated(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
