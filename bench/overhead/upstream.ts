/**
 * The model server of the benchmark, and its collector of spans, a process of its own: as cheap as a server in Node can be,
 * so that the gateway stays the slowest part. Answers every POST from prepared bytes; sends its port to the parent.
 */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { jsonAnswer, PACE_MS, PACED_MARK, STREAM_MARK, streamEvents } from "./wire.ts";

const HEAD_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = "0\r\n\r\n";

const httpChunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const json = jsonAnswer();
const JSON_ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
);
const SPANS_PATH = "POST /v1/traces ";
const SPANS_ANSWER = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
);
const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNKS = streamEvents().map(httpChunk);
const STREAM_ANSWER = Buffer.from(STREAM_HEAD + CHUNKS.join("") + LAST_CHUNK);
const PACED_PIECES = CHUNKS.map((chunk, k) =>
  Buffer.from(`${k === 0 ? STREAM_HEAD : ""}${chunk}${k === CHUNKS.length - 1 ? LAST_CHUNK : ""}`),
);

function answerPaced(socket: Socket): void {
  let next = 0;
  const startedAt = performance.now();
  const send = (): void => {
    const piece = PACED_PIECES[next++];
    if (piece === undefined || socket.destroyed) return;
    socket.write(piece);
    // By the time that it is due, so that late timers do not add up.
    setTimeout(send, Math.max(0, startedAt + next * PACE_MS - performance.now()));
  };
  send();
}

/** @returns where the request ends, or -1 while it is not whole */
function requestEnd(bytes: Buffer): number {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return -1;
  const bodyStart = headEnd + HEAD_END.length;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString("latin1", 0, headEnd + 2))?.[1];
  if (length !== undefined) return bytes.length < bodyStart + Number(length) ? -1 : bodyStart + Number(length);
  const last = bytes.indexOf(`\r\n${LAST_CHUNK}`, headEnd);
  return last < 0 ? -1 : last + LAST_CHUNK.length + 2;
}

const server = createServer({ noDelay: true }, (socket) => {
  let held: Buffer | null = null;
  socket.on("data", (bytes) => {
    const all: Buffer = held === null ? bytes : Buffer.concat([held, bytes]);
    const end = requestEnd(all);
    held = end < 0 ? all : null;
    if (end < 0) return;
    // Gateways of this benchmark do not pipeline.
    if (end !== all.length) return void socket.destroy();
    if (all.toString("latin1", 0, SPANS_PATH.length) === SPANS_PATH) socket.write(SPANS_ANSWER);
    else if (!all.includes(STREAM_MARK)) socket.write(JSON_ANSWER);
    else if (all.includes(PACED_MARK)) answerPaced(socket);
    else socket.write(STREAM_ANSWER);
  });
  // A gateway that is stopped cuts its connections; there is nothing to answer any more.
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit(0));
