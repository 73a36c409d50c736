import { RouterError } from "../core/errors.ts";
import type { WireFormat } from "../core/wire-format.ts";
import type { HeaderFields, Provider, UpstreamListener } from "../ports.ts";
import type { HttpListener, Transport } from "./transport.ts";

export interface ForwardOptions {
  readonly id: string;
  /** Up to and including the version, such as `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly transport: Transport;
  readonly mayAskForUsage?: boolean;
  /** Where each wire format that the upstream speaks lives, below the base URL. */
  readonly paths: Readonly<Partial<Record<WireFormat, string>>>;
  /** Asked for every request, so that a key can be rotated. */
  readonly credentials: () => Readonly<Record<string, string>>;
}

/** What a kind of provider needs that speaks a client's own wire format; the kind knows the rest. */
export type ForwardingOptions = Omit<ForwardOptions, "paths" | "credentials"> & {
  /** Read for every request; without one none is sent. */
  readonly apiKey: () => string | undefined;
};

/**
 * A provider that speaks the client's own wire format: bodies pass both ways as bytes.
 * @throws RouterError `invalid_request` for a base URL that is none
 */
export function forwardingProvider({
  id,
  baseUrl,
  transport,
  paths,
  credentials,
  mayAskForUsage = true,
}: ForwardOptions): Provider {
  const base = checkedBaseUrl(id, baseUrl);
  return {
    id,
    mayAskForUsage,
    wires: new Set(Object.keys(paths) as WireFormat[]),
    send: ({ wire, text, isStream, headers }, listener) =>
      transport(
        {
          origin: base.origin,
          path: `${base.pathname}${paths[wire] ?? ""}`,
          headers: {
            ...headers,
            "content-type": "application/json",
            accept: isStream ? "text/event-stream" : "application/json",
            // A compressed answer would be held back while it is compressed, and is opaque to what is read of it.
            "accept-encoding": "identity",
            ...credentials(),
          },
          body: text,
        },
        new ForwardListener(id, listener),
      ),
  };
}

/** Tells what the transport tells, and names the provider in its errors. A class, for there is one for every question. */
class ForwardListener implements HttpListener {
  readonly #id: string;
  readonly #listener: UpstreamListener;

  constructor(id: string, listener: UpstreamListener) {
    this.#id = id;
    this.#listener = listener;
  }

  onSent(): void {
    this.#listener.onSent();
  }

  onHead(status: number, headers: HeaderFields): void {
    this.#listener.onHead(status, headers);
  }

  onBytes(bytes: Uint8Array): void {
    this.#listener.onBytes(bytes);
  }

  onEnd(): void {
    this.#listener.onEnd();
  }

  onError(cause: unknown): void {
    const problem = `Provider '${this.#id}' gave no answer: ${problemOf(cause)}.`;
    this.#listener.onError(new RouterError("upstream_unavailable", problem, { cause }));
  }
}

function checkedBaseUrl(id: string, baseUrl: string): { readonly origin: string; readonly pathname: string } {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new RouterError("invalid_request", `The base URL of provider '${id}' is not an http(s) URL.`);
  if (url.username !== "" || url.password !== "" || url.search !== "")
    throw new RouterError(
      "invalid_request",
      `The base URL of provider '${id}' carries credentials or a query: configure its key instead.`,
    );
  return { origin: url.origin, pathname: url.pathname.replace(/\/+$/, "") };
}

/** The error's code only: messages of URLs and headers can carry what must not be shown. */
function problemOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const known = cause?.code ?? code;
  return typeof known === "string" ? `the connection failed (${known})` : "the connection failed";
}
