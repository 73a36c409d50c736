import type { IncomingHttpHeaders } from "node:http";
import { gunzipSync, inflateSync } from "node:zlib";
import { Refusal, text } from "../vendor/reply.ts";
import { decodeTraceRequest, type ReceivedSpan } from "./trace-request.ts";

/** Reads the body of `POST /v1/traces`: protobuf only (415), plain, gzip or deflate; 422 where it is malformed. */
export function readTraceBody(headers: IncomingHttpHeaders, body: Uint8Array): readonly ReceivedSpan[] {
  const type = headers["content-type"] ?? "";
  if (type !== "application/x-protobuf") throw new Refusal(text(415, `Unsupported content type: ${type}`));
  const encoding = headers["content-encoding"] ?? "identity";
  const decode = encodings[encoding];
  if (decode === undefined) throw new Refusal(text(415, `Unsupported content encoding: ${encoding}`));
  try {
    return decodeTraceRequest(decode(body));
  } catch (error) {
    throw new Refusal(text(422, `Request body is invalid ExportTraceServiceRequest: ${String(error)}`));
  }
}

const encodings: Readonly<Record<string, (body: Uint8Array) => Uint8Array>> = {
  identity: (body) => body,
  gzip: gunzipSync,
  deflate: inflateSync,
};

/** An `ExportTraceServiceResponse` in which nothing was rejected. */
export const traceAccepted = { status: 200, headers: { "content-type": "application/x-protobuf" }, body: "" } as const;
