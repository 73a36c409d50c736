/** Whether the client still waits, and what to stop when it does not. */
export interface ClientPresence {
  /** Aborts the upstream. */
  readonly upstream: AbortSignal;
  readonly hasLeft: () => boolean;
  /** The client left: aborts the upstream, then calls `onLeave`. */
  readonly leave: () => void;
  /** Replaces what is called when the client leaves. */
  readonly onLeave: (listener: () => void) => void;
  /** Stops watching: the answer is complete. */
  readonly forget: () => void;
}

/** @param client aborts when the client's connection closes before it has the whole answer */
export function clientPresence(client: AbortSignal): ClientPresence {
  const upstream = new AbortController();
  let listener: (() => void) | null = null;
  let left = client.aborted;
  const leave = (): void => {
    left = true;
    client.removeEventListener("abort", leave);
    upstream.abort();
    listener?.();
  };
  if (left) upstream.abort();
  else client.addEventListener("abort", leave, { once: true });
  return {
    upstream: upstream.signal,
    hasLeft: () => left,
    leave,
    onLeave: (next) => {
      listener = next;
      if (left) next();
    },
    forget: () => client.removeEventListener("abort", leave),
  };
}
