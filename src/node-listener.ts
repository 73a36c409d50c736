import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { AnswerControl, AnswerSink } from "./gateway/answer-sink.ts";
import { statedKey } from "./gateway/authenticate.ts";
import { refuse } from "./gateway/refuse.ts";
import { wires } from "./gateway/wires/index.ts";
import type { Wire } from "./gateway/wires/wire.ts";
import type { Clock, Log } from "./ports.ts";
import { tooLarge } from "../routes/json-body.ts";
import { MODEL_PATHS, NULL_BODY, type ModelCallVerbs } from "../routes/model-calls.ts";

/** How long a connection is kept whose request is refused while its body still comes, so that the refusal is read. */
const LINGER_MS = 1000;

/**
 * Questions to models straight from `node:http`, everything else by `others`: what is asked thousands of times a
 * second does without streams and objects of the Fetch API, which cost more than all that Segue does to a request.
 */
export function nodeListener(
  { authenticate, serveModel }: ModelCallVerbs,
  options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly newRequestId: () => string;
    readonly bodyBytesMax: number;
    readonly others: RequestListener;
  },
): RequestListener {
  const { clock, log, newRequestId, bodyBytesMax, others } = options;
  return (request, response) => {
    const wire = request.method === "POST" ? wireAt(request.url ?? "") : null;
    if (wire === null) return others(request, response);
    const receivedAt = clock.now();
    const requestId = newRequestId();
    const sink = responseSink(response, requestId, log);
    const refused = (error: unknown): void => {
      // What still comes of the body is not read to its end.
      if (!request.complete) response.setHeader("connection", "close");
      refuse({ log, wire, sink, requestId }, error);
      if (request.complete) return;
      request.resume();
      setTimeout(() => request.destroy(), LINGER_MS).unref();
    };
    try {
      const key = authenticate(statedKey(request.headers));
      readBody(request, bodyBytesMax, {
        onBody: (bytes) => {
          const answer = serveModel({ wire, key, bytes, headers: request.headers, requestId, receivedAt }, sink);
          watchClient(response, answer);
        },
        onRefused: refused,
      });
    } catch (error) {
      refused(error);
    }
  };
}

function wireAt(url: string): Wire | null {
  const query = url.indexOf("?");
  const path = query < 0 ? url : url.slice(0, query);
  return Object.hasOwn(MODEL_PATHS, path) ? wires[MODEL_PATHS[path] ?? "chat"] : null;
}

function watchClient(response: ServerResponse, answer: AnswerControl): void {
  if (response.writableEnded) return;
  response.on("drain", () => answer.onDrained());
  response.on("close", () => answer.onLeft());
}

/** Counts while it reads: a `content-length` may be absent or wrong, so it only ever refuses early. */
function readBody(
  request: IncomingMessage,
  bytesMax: number,
  { onBody, onRefused }: { readonly onBody: (bytes: Uint8Array) => void; readonly onRefused: (error: unknown) => void },
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let isOver = false;
  const refuseSize = (): void => {
    isOver = true;
    chunks.length = 0;
    onRefused(tooLarge(bytesMax));
  };
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return refuseSize();
  request.on("data", (chunk: Buffer) => {
    if (isOver) return;
    size += chunk.length;
    if (size > bytesMax) return refuseSize();
    chunks.push(chunk);
  });
  request.on("end", () => {
    if (!isOver) onBody(chunks.length === 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks, size));
  });
  // A client that leaves in the middle of its question needs no answer.
  request.on("error", () => {
    isOver = true;
  });
}

const JOINED_BYTES_MAX = 32 * 1024;
const EMPTY = new Uint8Array(0);

function responseSink(response: ServerResponse, requestId: string, log: Log): AnswerSink {
  const head: AnswerSink["begin"] = (status, headers) => {
    headers["x-segue-request-id"] = requestId;
    response.writeHead(status, headers as Record<string, string | string[]>);
  };
  return {
    whole: (status, headers, body) => {
      if (response.destroyed) return;
      if (NULL_BODY.has(status)) {
        head(status, headers);
        return void response.end();
      }
      headers["content-length"] = String(body.length);
      head(status, headers);
      if (body.length > JOINED_BYTES_MAX) return void response.end(body);
      // Node sends a head and a text as one piece, but a head and bytes as two, which costs more than the copy.
      response.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1"), "latin1");
    },
    begin: (status, headers) => {
      if (!response.destroyed) head(status, headers);
    },
    write: (bytes) => response.destroyed || response.write(bytes),
    end: () => void response.end(),
    breakOff: () => {
      log.info("an answer of an unknown kind broke off", { requestId });
      response.destroy();
    },
  };
}
