import type { AnswerHeaders } from "./answer-headers.ts";

/** Where an answer goes: either `whole`, or `begin`, any number of `write`s and `end` or `breakOff`. */
export interface AnswerSink {
  readonly whole: (status: number, headers: AnswerHeaders, body: Uint8Array) => void;
  readonly begin: (status: number, headers: AnswerHeaders) => void;
  /** @returns false when the client has to take what is there first; `onDrained` then says when it has */
  readonly write: (bytes: Uint8Array) => boolean;
  readonly end: () => void;
  /** Ends the connection where the body cannot be ended honestly. */
  readonly breakOff: () => void;
}

/** What an answer under way must be told of its client. */
export interface AnswerControl {
  /** The client closed the connection. Does nothing after the answer's end. */
  onLeft(): void;
  /** The client took what was written. */
  onDrained(): void;
}
