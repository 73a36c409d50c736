import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import { completionBody, completionChunks, errorBody, modelList } from "./completion-wire.ts";
import { publishedFigures, type Epoch, type Figures, type Model } from "./llmdrift.ts";
import { simulatedModel } from "./simulated-model.ts";

/** A running model server. */
export interface Upstream {
  /** The base URL for OpenAI's clients, `/v1` included. */
  readonly url: string;
  /** Changes, from the next answer on, what the names without a date mean; nothing in an answer tells. */
  readonly setEpoch: (epoch: Epoch) => void;
  /** Completions asked for so far. */
  readonly requests: () => number;
  /** Ends open connections too. */
  readonly stop: () => Promise<void>;
}

/** Names with a date are pinned to it; names without one mean the server's current epoch. */
const served: Readonly<Record<string, { readonly model: Model; readonly epoch: Epoch | null }>> = {
  "gpt-4": { model: "gpt-4", epoch: null },
  "gpt-4-0314": { model: "gpt-4", epoch: "2023-03" },
  "gpt-4-0613": { model: "gpt-4", epoch: "2023-06" },
  "gpt-3.5-turbo": { model: "gpt-3.5-turbo", epoch: null },
  "gpt-3.5-turbo-0301": { model: "gpt-3.5-turbo", epoch: "2023-03" },
  "gpt-3.5-turbo-0613": { model: "gpt-3.5-turbo", epoch: "2023-06" },
};

const TextPart = z.object({ type: z.string(), text: z.string().optional() });
const ChatRequest = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), content: z.union([z.string(), z.array(TextPart)]).nullish() })).min(1),
  n: z.int().min(1).max(16).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
});
type ChatRequest = z.infer<typeof ChatRequest>;

const BODY_BYTES_MAX = 1_000_000;

/**
 * Starts an OpenAI-compatible server on 127.0.0.1 whose models answer as well as the figures say, from March 2023 until
 * told otherwise. Any API key is accepted.
 * @param port 0 takes a free one
 * @throws the error of `listen`, such as `EADDRINUSE`
 */
export async function startUpstream({
  port = 0,
  seed = 1,
  figures = publishedFigures,
}: { readonly port?: number; readonly seed?: number; readonly figures?: Figures } = {}): Promise<Upstream> {
  const answer = simulatedModel({ seed, figures });
  let epoch: Epoch = "2023-03";
  let requests = 0;

  const complete = (response: ServerResponse, body: string): void => {
    requests++;
    const parsed = parseRequest(body);
    if ("fault" in parsed) {
      sendJson(response, 400, errorBody({ message: parsed.fault, code: null }));
      return;
    }
    const { request } = parsed;
    const target = Object.hasOwn(served, request.model) ? served[request.model] : undefined;
    if (target === undefined) {
      const message = `The model '${request.model}' does not exist. Served: ${Object.keys(served).join(", ")}.`;
      sendJson(response, 404, errorBody({ message, code: "model_not_found" }));
      return;
    }
    const text = answer(target.model, target.epoch ?? epoch, lastUserText(request));
    sendCompletion(response, request, text);
  };

  const server = createServer((request, response) => {
    const route = `${request.method} ${request.url?.split("?")[0]}`;
    if (route === "POST /v1/chat/completions") readBody(request, response, (body) => complete(response, body));
    else if (route === "GET /v1/models") sendJson(response, 200, modelList(Object.keys(served)));
    else sendJson(response, 404, errorBody({ message: `There is no ${route}.`, code: "unknown_url" }));
  });
  // Longer than clients keep idle connections, so that no request meets a closing one.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The upstream has no port.");
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    setEpoch: (next) => {
      epoch = next;
    },
    requests: () => requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function parseRequest(body: string): { readonly request: ChatRequest } | { readonly fault: string } {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    return { fault: `The body is not JSON: ${String(error)}` };
  }
  const parsed = ChatRequest.safeParse(json);
  return parsed.success ? { request: parsed.data } : { fault: z.prettifyError(parsed.error) };
}

function lastUserText({ messages }: ChatRequest): string {
  const content = messages.findLast(({ role }) => role === "user")?.content ?? "";
  return typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("\n");
}

function readBody(request: IncomingMessage, response: ServerResponse, then: (body: string) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  request.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes <= BODY_BYTES_MAX) parts.push(part);
  });
  request.on("end", () => {
    if (bytes <= BODY_BYTES_MAX) then(Buffer.concat(parts).toString("utf8"));
    else sendJson(response, 413, errorBody({ message: `The body is over ${BODY_BYTES_MAX} bytes.`, code: null }));
  });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
}

function sendCompletion(response: ServerResponse, request: ChatRequest, text: string): void {
  const completion = {
    model: request.model,
    texts: Array.from({ length: request.n ?? 1 }, () => text),
    promptCharacters: request.messages.reduce((sum, { content }) => sum + JSON.stringify(content ?? "").length, 0),
  };
  if (request.stream !== true) {
    sendJson(response, 200, completionBody(completion));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for (const chunk of completionChunks(completion, request.stream_options?.include_usage === true))
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  response.end("data: [DONE]\n\n");
}
