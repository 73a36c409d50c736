import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** What the upstream does with one request. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written one after the other, each in a turn of its own. */
  readonly chunks?: readonly (string | Uint8Array)[];
  /** `end`: properly · `cut`: the connection breaks · `hold`: it stays open and silent. */
  readonly ending?: "end" | "cut" | "hold";
  /** Not even headers are sent before this. */
  readonly after?: Promise<unknown>;
  /** Without headers: the connection breaks or stays silent before any answer. */
  readonly headless?: boolean;
}

export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  // What clients send is theirs to type.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
  /** How it ended for the one who asked. */
  readonly closed: Promise<"answered" | "aborted">;
}

export interface OpenaiUpstream {
  readonly baseUrl: string;
  readonly requests: SeenRequest[];
  /** The next requests get these replies, in order; afterwards a plain completion again. */
  readonly reply: (...replies: (Reply | ((request: SeenRequest) => Reply))[]) => void;
  /** The request of this number (from 0) once it has arrived. */
  readonly arrived: (number: number) => Promise<SeenRequest>;
  readonly close: () => Promise<void>;
}

/** An OpenAI-compatible server that does as it is told, faults included. */
export async function startOpenaiUpstream(): Promise<OpenaiUpstream> {
  const requests: SeenRequest[] = [];
  const script: (Reply | ((request: SeenRequest) => Reply))[] = [];
  const waiting: { number: number; resolve: (request: SeenRequest) => void }[] = [];
  const server = createServer((incoming, outgoing) => {
    const closed = new Promise<"answered" | "aborted">((resolve) =>
      outgoing.once("close", () => resolve(outgoing.writableFinished ? "answered" : "aborted")),
    );
    void readText(incoming).then((text) => {
      const { url = "", headers } = incoming;
      const request: SeenRequest = { path: url, headers, text, body: JSON.parse(text), closed };
      requests.push(request);
      for (const { number, resolve } of waiting) if (number === requests.length - 1) resolve(request);
      const next = script.shift() ?? plain;
      return play(outgoing, typeof next === "function" ? next(request) : next);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    reply: (...replies) => void script.push(...replies),
    arrived: (number) => {
      const request = requests[number];
      if (request !== undefined) return Promise.resolve(request);
      return new Promise((resolve) => void waiting.push({ number, resolve }));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function play(outgoing: ServerResponse, reply: Reply): Promise<void> {
  const { status = 200, headers = { "content-type": "application/json" }, chunks = [], ending = "end" } = reply;
  await reply.after;
  if (reply.headless !== true) {
    outgoing.writeHead(status, headers);
    outgoing.flushHeaders();
  }
  for (const chunk of chunks) {
    if (outgoing.destroyed) return;
    await new Promise((resolve) => outgoing.write(chunk, resolve));
    await nextTurn();
  }
  if (ending === "end") outgoing.end();
  else if (ending === "cut") outgoing.destroy();
}

/** A completion that says which model was asked. */
export const completion = (model: string, choices = 1) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model,
  choices: Array.from({ length: choices }, (_, index) => ({
    index,
    message: { role: "assistant", content: `answer ${index} of ${model}`, refusal: null },
    logprobs: null,
    finish_reason: "stop",
  })),
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});

const plain = ({ body }: SeenRequest): Reply =>
  body.stream === true
    ? events([
        delta(body.model, { role: "assistant", content: "hel" }),
        delta(body.model, { content: "lo" }),
        stop(body.model),
      ])
    : json(completion(body.model, body.n ?? 1));

export const json = (value: unknown, rest: Omit<Reply, "chunks"> = {}): Reply => ({
  ...rest,
  headers: { "content-type": "application/json", ...rest.headers },
  chunks: [JSON.stringify(value)],
});

export const openaiFault = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Reply =>
  json({ error: { message: `upstream says ${code}`, type: "requests", param: null, code } }, { status, headers });

/** One server-sent event of a streamed completion. */
export const delta = (model: string, content: object, finish: string | null = null): object => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model,
  choices: [{ index: 0, delta: content, logprobs: null, finish_reason: finish }],
});
export const stop = (model: string): object => delta(model, {}, "stop");

export const eventText = (value: object | string): string =>
  `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;

/** A stream of events, each a chunk, with `[DONE]` last unless it is cut or held. */
export const events = (values: readonly object[], rest: Omit<Reply, "chunks"> = {}): Reply => ({
  ...rest,
  headers: { "content-type": "text/event-stream; charset=utf-8", ...rest.headers },
  chunks: [...values.map(eventText), ...((rest.ending ?? "end") === "end" ? [eventText("[DONE]")] : [])],
});

export const bytes = (chunks: readonly (string | Uint8Array)[], rest: Omit<Reply, "chunks"> = {}): Reply => ({
  headers: { "content-type": "text/event-stream" },
  ...rest,
  chunks,
});
