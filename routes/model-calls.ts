import { Hono, type Context } from "hono";
import type { WireFormat } from "../src/core/wire-format.ts";
import type { AnswerHeaders } from "../src/gateway/answer-headers.ts";
import type { AnswerControl, AnswerSink } from "../src/gateway/answer-sink.ts";
import { statedKey, type Authenticate } from "../src/gateway/authenticate.ts";
import { refuse } from "../src/gateway/refuse.ts";
import type { ModelCall } from "../src/gateway/serve-model.ts";
import { wires } from "../src/gateway/wires/index.ts";
import type { Clock, Log } from "../src/ports.ts";
import type { AppEnv } from "./auth.ts";
import { readBody } from "./json-body.ts";

export interface ModelCallVerbs {
  readonly authenticate: Authenticate;
  readonly serveModel: (call: ModelCall, sink: AnswerSink) => AnswerControl;
}

/** Where each wire format is asked. */
export const MODEL_PATHS: Readonly<Record<string, WireFormat>> = {
  "/v1/chat/completions": "chat",
  "/v1/responses": "responses",
  "/v1/embeddings": "embeddings",
  "/v1/messages": "messages",
};

/** Questions to models, for every host; a host may put a faster listener in front that calls the same verb. */
export function modelCallRoutes(
  { authenticate, serveModel }: ModelCallVerbs,
  { clock, log, bodyBytesMax }: { readonly clock: Clock; readonly log: Log; readonly bodyBytesMax: number },
) {
  const routes = new Hono<AppEnv>();
  for (const [path, id] of Object.entries(MODEL_PATHS)) {
    const wire = wires[id];
    routes.post(path, async (c) => {
      const receivedAt = clock.now();
      const { requestId } = c.var;
      const { sink, response, attach } = responseSink();
      try {
        const headers = Object.fromEntries(c.req.raw.headers);
        const key = authenticate(statedKey(headers));
        const bytes = await readBody(c, bodyBytesMax);
        const answer = serveModel({ wire, key, bytes, headers, requestId, receivedAt }, sink);
        attach(answer);
        watchClient(c, answer);
      } catch (error) {
        refuse({ log, wire, sink, requestId }, error);
      }
      return response;
    });
  }
  return routes;
}

function watchClient(c: Context, answer: AnswerControl): void {
  const { signal } = c.req.raw;
  if (signal.aborted) answer.onLeft();
  else signal.addEventListener("abort", () => answer.onLeft(), { once: true });
}

/** Makes an answer a `Response`. Nothing is read ahead of the client, so that a slow client slows the upstream. */
function responseSink() {
  const { promise, resolve } = Promise.withResolvers<Response>();
  let control: AnswerControl | null = null;
  let stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  const sink: AnswerSink = {
    whole: (status, headers, body) =>
      resolve(new Response(NULL_BODY.has(status) ? null : new Uint8Array(body), { status, headers: fields(headers) })),
    begin: (status, headers) => {
      const body = new ReadableStream<Uint8Array>(
        {
          start: (controller) => {
            stream = controller;
          },
          pull: () => control?.onDrained(),
          cancel: () => control?.onLeft(),
        },
        { highWaterMark: 0 },
      );
      resolve(new Response(body, { status, headers: fields(headers) }));
    },
    write: (bytes) => {
      stream?.enqueue(bytes);
      return (stream?.desiredSize ?? 0) > 0;
    },
    end: () => stream?.close(),
    breakOff: () => stream?.error(new Error("the upstream broke off")),
  };
  return {
    sink,
    response: promise,
    attach: (answer: AnswerControl): void => {
      control = answer;
    },
  };
}

/** Statuses that may not carry a body, not even an empty one (Fetch Standard, "null body status"). */
export const NULL_BODY = new Set([204, 205, 304]);

function fields(headers: AnswerHeaders): Headers {
  const written = new Headers();
  for (const [name, value] of Object.entries(headers))
    for (const one of typeof value === "string" ? [value] : value) written.append(name, one);
  return written;
}
