import type { RouterError } from "../../core/errors.ts";
import type { HeaderFields, UpstreamCall, UpstreamListener } from "../../ports.ts";

/** One answer on its way to a listener, which hears nothing after the end or an abort. */
export interface UpstreamTurn {
  readonly call: UpstreamCall;
  /** Aborted with the call, and once the turn has ended in any way. */
  readonly signal: AbortSignal;
  /** That the request is on its way. A connection of its own cannot be seen through LangChain. */
  readonly sent: () => void;
  readonly head: (status: number, headers: HeaderFields) => void;
  /** Resolves when more is wanted, so that a paused listener stops the vendor. */
  readonly bytes: (text: string) => Promise<void>;
  readonly end: () => void;
  readonly fail: (error: RouterError) => void;
}

export function upstreamTurn(listener: UpstreamListener): UpstreamTurn {
  const encoder = new TextEncoder();
  const controller = new AbortController();
  let isOver = false;
  let paused: { readonly until: Promise<void>; readonly release: () => void } | null = null;

  const resume = (): void => {
    paused?.release();
    paused = null;
  };
  const finish = (tell: () => void): void => {
    if (isOver) return;
    isOver = true;
    resume();
    tell();
    controller.abort();
  };

  return {
    call: {
      pause: () => {
        if (isOver || paused !== null) return;
        const { promise, resolve } = Promise.withResolvers<undefined>();
        paused = { until: promise, release: () => resolve(undefined) };
      },
      resume,
      abort: () => finish(() => undefined),
    },
    signal: controller.signal,
    sent: () => {
      if (!isOver) listener.onSent();
    },
    head: (status, headers) => {
      if (!isOver) listener.onHead(status, headers);
    },
    bytes: async (text) => {
      if (!isOver) listener.onBytes(encoder.encode(text));
      await paused?.until;
    },
    end: () => finish(() => listener.onEnd()),
    fail: (error) => finish(() => listener.onError(error)),
  };
}
