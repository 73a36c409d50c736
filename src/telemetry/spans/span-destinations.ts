import { RouterError } from "../../core/errors.ts";

/** Where spans are sent. */
export interface SpanDestination {
  /** Unique; under it counters, logs and the spool know the destination. */
  readonly name: string;
  readonly kind: "arize" | "phoenix" | "otlp";
  /** Of the HTTP/protobuf endpoint, path included. */
  readonly url: string;
  /** Credentials among them: they are in no log and no error. */
  readonly headers: Readonly<Record<string, string>>;
  readonly projectName: string;
}

/**
 * Arize AX. Its collector wants the bare key, not a bearer token.
 * @param url the OTLP base, such as `https://otlp.arize.com/v1`
 * @throws RouterError `invalid_request`, as all of these do, for a URL that is none or a header that cannot be sent
 */
export const arizeDestination = (options: {
  readonly url: string;
  readonly apiKey: string;
  readonly spaceId: string;
  readonly project: string;
}): SpanDestination =>
  checked({
    name: "arize",
    kind: "arize",
    url: under(options.url, "/traces"),
    headers: { authorization: options.apiKey, "arize-space-id": options.spaceId, "arize-interface": "otel" },
    projectName: options.project,
  });

/** Phoenix. @param url of the server, such as `http://localhost:6006`; @param apiKey null where its authentication is off */
export const phoenixDestination = (options: {
  readonly url: string;
  readonly apiKey: string | null;
  readonly project: string;
}): SpanDestination =>
  checked({
    name: "phoenix",
    kind: "phoenix",
    url: under(options.url, "/v1/traces"),
    headers: options.apiKey === null ? {} : { authorization: `Bearer ${options.apiKey}` },
    projectName: options.project,
  });

/** Any collector. @param url its base, to which `/v1/traces` is added as OpenTelemetry's SDKs do, or the endpoint itself */
export const otlpDestination = (options: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly project: string;
}): SpanDestination =>
  checked({
    name: "otlp",
    kind: "otlp",
    url: under(options.url, "/v1/traces"),
    headers: options.headers,
    projectName: options.project,
  });

/** A URL with a path added, unless it ends with it already. */
function under(url: string, path: string): string {
  const base = url.replace(/\/+$/, "");
  return base.endsWith(path) ? base : base + path;
}

function checked(destination: SpanDestination): SpanDestination {
  const { name, url, headers } = destination;
  if (!URL.canParse(url) || !/^https?:\/\//.test(url))
    throw new RouterError("invalid_request", `The collector '${name}' needs an http or https URL.`, { param: name });
  for (const [header, value] of Object.entries(headers))
    if (!/^[!-~]+$/.test(header) || !/^[\t -~]*$/.test(value))
      throw new RouterError(
        "invalid_request",
        `Header '${header}' of the collector '${name}' holds what HTTP cannot send. Was a line break copied with the key?`,
        { param: name },
      );
  return destination;
}
