import type { Dispatcher } from "undici";
import type { HeaderFields, UpstreamCall } from "../ports.ts";
import type { HttpListener, Transport } from "./transport.ts";

/**
 * Asks over a pool of connections of undici's, by its callbacks: streams of either kind cost more than all that
 * Segue does to a request.
 */
export const undiciTransport =
  (dispatcher: Dispatcher): Transport =>
  ({ origin, path, headers, body }, listener) => {
    const exchange = new Exchange(listener);
    try {
      dispatcher.dispatch({ origin, path, method: "POST", headers, body }, exchange);
    } catch (error) {
      queueMicrotask(() => exchange.onResponseError(null, error));
    }
    return exchange;
  };

const ABORTED = new Error("the request was aborted");

/** One question and its answer. A class, for its callbacks are called for every piece of every answer. */
class Exchange implements Dispatcher.DispatchHandler, UpstreamCall {
  readonly #listener: HttpListener;
  #controller: Dispatcher.DispatchController | null = null;
  #isOver = false;

  constructor(listener: HttpListener) {
    this.#listener = listener;
  }

  pause(): void {
    if (!this.#isOver) this.#controller?.pause();
  }

  resume(): void {
    if (!this.#isOver) this.#controller?.resume();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller?.abort(ABORTED);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The request waited for a connection, and nobody wants it any more.
    if (this.#isOver) return controller.abort(ABORTED);
    this.#listener.onSent();
  }

  onResponseStart(_: unknown, status: number, fields: HeaderFields): void {
    // An interim response (RFC 9110 §15.2) is none.
    if (!this.#isOver && status >= 200) this.#listener.onHead(status, fields);
  }

  onResponseData(_: unknown, chunk: Uint8Array): void {
    if (!this.#isOver) this.#listener.onBytes(chunk);
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onEnd();
  }

  onResponseError(_: unknown, error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onError(error);
  }
}
