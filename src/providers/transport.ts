import type { HeaderFields, UpstreamCall } from "../ports.ts";

/** How a host asks an upstream over HTTP. */
export interface HttpRequest {
  /** Such as `https://api.openai.com`. */
  readonly origin: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** As `UpstreamListener`, with the host's own errors. */
export interface HttpListener {
  onSent(): void;
  onHead(status: number, headers: HeaderFields): void;
  onBytes(bytes: Uint8Array): void;
  onEnd(): void;
  onError(cause: unknown): void;
}

/** Posts a request; redirects are not followed. Nothing of the listener is called after an abort, and within it only `onSent`. */
export type Transport = (request: HttpRequest, listener: HttpListener) => UpstreamCall;
