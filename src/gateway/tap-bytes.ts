import type { ClientHold } from "./client-hold.ts";
import type { StreamEnd, Tap } from "./tap-events.ts";

/** Passes any body on and tells how it ended. A cut errors the stream: nothing can be added to a body of an unknown kind. */
export function tapBytes(
  source: ReadableStream<Uint8Array>,
  {
    hold,
    onEnd,
  }: {
    readonly hold: ClientHold;
    readonly onEnd: (end: Extract<StreamEnd, "complete" | "cut" | "left">) => void;
  },
): Tap {
  const reader = source.getReader();
  let ended = false;
  const end = (how: "complete" | "cut" | "left"): void => {
    if (ended) return;
    ended = true;
    onEnd(how);
  };
  const leave = (): void => {
    if (ended) return;
    end("left");
    // Nobody is left to tell of a failure to let the upstream go.
    reader.cancel().catch(() => undefined);
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        hold.end();
        try {
          const { done, value } = await reader.read();
          if (ended) return;
          if (!done) {
            hold.begin();
            return controller.enqueue(value);
          }
          end("complete");
          controller.close();
        } catch (error) {
          if (ended) return;
          end("cut");
          controller.error(error);
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
  return { stream, leave };
}
