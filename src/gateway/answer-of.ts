import { RouterError } from "../core/errors.ts";
import { answerHeaders } from "./answer-headers.ts";
import { blameOf, CLIENT_LEFT, type Ending } from "./answer-recorder.ts";
import type { UpstreamAnswer } from "./ask-upstream.ts";
import type { ClientHold } from "./client-hold.ts";
import type { ClientPresence } from "./client-presence.ts";
import { openaiError, statusOf } from "./openai-error.ts";
import { tapBytes } from "./tap-bytes.ts";
import { tapEvents, type StreamEnd } from "./tap-events.ts";
import { readableError, saidBy } from "./upstream-error.ts";

/** What to send to the client; a failure carries the headers of the decision too. */
export type Answer =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: Headers;
      readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
    }
  | { readonly kind: "failure"; readonly headers: Headers; readonly error: RouterError };

interface AnswerContext {
  /** The headers of the decision. */
  readonly headers: Headers;
  /** Called once when the answer has ended, which for a stream is later. */
  readonly end: (ending: Ending) => void;
  readonly client: ClientPresence;
  readonly hold: ClientHold;
}

/** Turns what the upstream said, or did not say, into what the client gets. */
export function answerOf(result: UpstreamAnswer | RouterError, context: AnswerContext): Answer {
  const { headers, end, client } = context;
  if (client.hasLeft()) {
    end(CLIENT_LEFT);
    return failed(
      headers,
      new RouterError("unavailable", "The client closed the connection.", { reason: "client_closed" }),
    );
  }
  if (!(result instanceof RouterError)) {
    const refused = ourFault(result);
    if (refused === null) return passedOn(result, context);
    // It stays so until somebody changes the settings.
    headers.set("x-should-retry", "false");
    return answerOf(refused, context);
  }
  client.forget();
  const blame = result.code === "upstream_unavailable" ? "service" : "client";
  end({ status: statusOf[result.code], error: result.reason, blame });
  return failed(headers, result);
}

/** An upstream that refuses our key or our model's name says nothing about the client's. */
function ourFault({ target, status, body }: UpstreamAnswer): RouterError | null {
  if (status === 404 || status === 410) {
    const said = body instanceof Uint8Array ? saidBy(body) : "";
    return new RouterError(
      "upstream_unavailable",
      `Provider '${target.provider}' answered ${status} for its model '${target.model}'${said === "" ? "." : `: ${said}`}`,
      { reason: "upstream_model_not_found" },
    );
  }
  if (status !== 401 && status !== 403) return null;
  return new RouterError(
    "upstream_unavailable",
    `Provider '${target.provider}' refused Segue's own credentials with status ${status}: check the key configured for it.`,
    { reason: "upstream_auth" },
  );
}

function passedOn(result: UpstreamAnswer, { headers: decided, end, client, hold }: AnswerContext): Answer {
  const { status, target } = result;
  const headers = answerHeaders(result.headers);
  for (const [name, value] of decided) headers.set(name, value);
  const ending: Ending = { status, error: status < 400 ? null : `upstream_status_${status}`, blame: blameOf(status) };
  if (result.isEventStream) return streamed(result, headers, { end, client, hold });
  if (!(result.body instanceof Uint8Array)) {
    const tap = tapBytes(result.body, {
      hold,
      onEnd: (how) => {
        client.forget();
        end(how === "complete" ? ending : endingOf(how));
      },
    });
    client.onLeave(tap.leave);
    return { kind: "answer", status, headers, body: tap.stream };
  }
  client.forget();
  end(ending);
  if (status < 400) return { kind: "answer", status, headers, body: result.body };
  const body = readableError(target.provider, status, result.body);
  if (body !== result.body) headers.set("content-type", "application/json");
  return { kind: "answer", status, headers, body };
}

function streamed(
  { status, body, target }: UpstreamAnswer,
  headers: Headers,
  { end, client, hold }: Omit<AnswerContext, "headers">,
): Answer {
  if (body instanceof Uint8Array) return { kind: "answer", status, headers, body };
  headers.set("cache-control", "no-cache");
  headers.set("x-accel-buffering", "no");
  const tap = tapEvents(body, {
    hold,
    cut: cutEvent(target.provider),
    onEnd: (how) => {
      client.forget();
      end(endingOf(how));
      if (how === "left") client.leave();
    },
  });
  client.onLeave(tap.leave);
  return { kind: "answer", status, headers, body: tap.stream };
}

const endings: Record<StreamEnd, Ending> = {
  complete: { status: 200, error: null, blame: "nobody" },
  failed: { status: 200, error: "upstream_error", blame: "service" },
  cut: { status: 200, error: "upstream_cut", blame: "service" },
  left: CLIENT_LEFT,
};
const endingOf = (how: StreamEnd): Ending => endings[how];

/** An honest end: no `[DONE]`, no `finish_reason`, but an error that OpenAI's clients throw. */
function cutEvent(provider: string): Uint8Array {
  const message = `Provider '${provider}' broke off in the middle of its answer.`;
  return new TextEncoder().encode(
    `data: ${JSON.stringify(openaiError("upstream_error", "upstream_cut", message))}\n\n`,
  );
}

const failed = (headers: Headers, error: RouterError): Answer => ({ kind: "failure", headers, error });
