import { RouterError } from "../../src/core/errors.ts";
import { Variant } from "../../src/core/policy.ts";
import { askTargets, type AskListener } from "../../src/gateway/ask-targets.ts";
import { targetHealth, type TargetHealth } from "../../src/gateway/target-health.ts";
import type { WholeAnswer } from "../../src/gateway/upstream-answer.ts";
import type { FailedAttempt, HeaderFields, UpstreamCall } from "../../src/ports.ts";
import { handClock, scriptedProvider, type HandClock, type ScriptedCall } from "./scripted-provider.ts";

export const STREAM: HeaderFields = { "content-type": "text/event-stream; charset=utf-8" };
export const EVENT = 'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n';

/** What the listener was called with. */
export interface Heard {
  readonly what: "whole" | "begun" | "failure" | "bytes" | "end";
  readonly at: number;
  readonly answer?: WholeAnswer;
  readonly error?: RouterError;
  readonly attempts?: number;
  readonly failed?: readonly FailedAttempt[];
  readonly isProper?: boolean;
  readonly text?: string;
}

/** What is asked, and what was heard of it. */
export interface AskedTargets {
  readonly hand: HandClock;
  readonly health: TargetHealth;
  readonly calls: readonly ScriptedCall[];
  readonly heard: readonly Heard[];
  /** Of each target, the questions that were begun and not learnt from. */
  readonly inFlight: () => number;
  readonly call: UpstreamCall;
}

export interface AskedSetting {
  readonly hand?: HandClock;
  readonly health?: TargetHealth;
  readonly variant?: object;
  /** Milliseconds from the start. */
  readonly patienceMs?: number;
  readonly draw?: number;
  readonly onCall?: (call: ScriptedCall, nth: number, hand: HandClock) => void;
  readonly onHeard?: (heard: Heard, abort: () => void) => void;
}

export const one = { provider: "one", model: "m" };
export const two = { provider: "two", model: "m" };

/** Asks the targets `one`, `two`, … of scripted providers. */
export function asking(setting: AskedSetting = {}): AskedTargets {
  const hand = setting.hand ?? handClock();
  const real = setting.health ?? targetHealth();
  let inFlight = 0;
  const health: TargetHealth = {
    ...real,
    begin: (target) => {
      const learn = real.begin(target);
      inFlight++;
      let isOpen = true;
      return (attempt, now) => {
        if (isOpen) inFlight--;
        isOpen = false;
        learn(attempt, now);
      };
    },
  };
  const calls: ScriptedCall[] = [];
  const heard: Heard[] = [];
  const onCall = (call: ScriptedCall): void => {
    calls.push(call);
    setting.onCall?.(call, calls.length - 1, hand);
  };
  const names = ["one", "two", "three", "four"];
  const providers = new Map(names.map((id) => [id, scriptedProvider(id, hand.clock, { onCall })]));
  let call: UpstreamCall | null = null;
  const hear = (what: Omit<Heard, "at">): void => {
    const said = { ...what, at: hand.clock.now() };
    heard.push(said);
    setting.onHeard?.(said, () => call?.abort());
  };
  const listener: AskListener = {
    onWhole: (answer, asked) => hear({ what: "whole", answer, ...asked }),
    onBegun: (answer, asked) => hear({ what: "begun", answer, ...asked, text: text(answer.body) }),
    onFailure: (error, asked) => hear({ what: "failure", error, ...asked }),
    onBytes: (bytes) => hear({ what: "bytes", text: text(bytes) }),
    onEnd: (isProper) => hear({ what: "end", isProper }),
  };
  call = askTargets(
    { providers, health, clock: hand.clock, deadlines: hand.deadlines },
    {
      variant: Variant.parse({ ...one, ...setting.variant }),
      wire: "chat",
      requestFor: (target) => ({ wire: "chat", target, text: "{}", isStream: true, headers: {} }),
      clientDeadline: hand.clock.now() + (setting.patienceMs ?? Infinity),
      draw: setting.draw ?? 0,
    },
    listener,
  );
  return { hand, health, calls, heard, inFlight: () => inFlight, call };
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** One of them, which must be there; from the end where `index` is negative. */
export function at<T>(all: readonly T[], index: number): T {
  const found = all.at(index);
  if (found === undefined) throw new Error(`there is no ${index}`);
  return found;
}

/** What a target may do, by the milliseconds it takes before each step. */
export type Script = (call: ScriptedCall, hand: HandClock, ms: number) => void;

const inTurn =
  (...steps: readonly ((call: ScriptedCall) => void)[]): Script =>
  (call, hand, ms) =>
    steps.forEach((step, index) => hand.later(ms * (index + 1), () => step(call)));
export const answers = (status: number, body: string, headers?: HeaderFields): Script =>
  inTurn(
    (call) => call.sent(),
    (call) => call.head(status, headers),
    (call) => call.bytes(body),
    (call) => call.end(),
  );
const streams = (...pieces: readonly string[]) => [
  (call: ScriptedCall) => call.sent(),
  (call: ScriptedCall) => call.head(200, STREAM),
  ...pieces.map((piece) => (call: ScriptedCall) => call.bytes(piece)),
];
const ends = (call: ScriptedCall): void => call.end();
const breaks = (call: ScriptedCall): void => call.fail();

/** By what a target does. */
export const scripts: Readonly<Record<string, Script>> = {
  "cannot be reached": inTurn(breaks),
  "takes the request and is silent": inTurn((call) => call.sent()),
  "never connects": () => undefined,
  "sends a head and is silent": inTurn(...streams()),
  "sends half a body and is silent": inTurn(
    (call) => call.head(200),
    (call) => call.bytes('{"id"'),
  ),
  "refuses the request": answers(400, '{"error":{"message":"no"}}'),
  "cannot be put the request": inTurn((call) => call.fail(new RouterError("invalid_request", "cannot be put"))),
  "is set up wrongly": answers(401, '{"error":{"message":"key"}}'),
  "is busy": answers(429, '{"error":{"message":"busy"}}', { "retry-after": "1" }),
  "is busy for long": answers(429, '{"error":{"message":"busy"}}', { "retry-after": "60" }),
  "is broken": answers(500, '{"error":{"message":"broken"}}'),
  redirects: answers(302, ""),
  answers: answers(200, '{"choices":[{"message":{}}]}'),
  "answers with an error": answers(200, '{"error":{"message":"late","code":503}}'),
  "answers with a page": answers(200, "<html>hello</html>"),
  "streams events": inTurn(...streams(EVENT, EVENT, "data: [DONE]\n\n"), ends),
  "streams an event in pieces": inTurn(...streams(": wait\n\n", EVENT.slice(0, 9), EVENT.slice(9)), ends),
  "begins with an error": inTurn(...streams('data: {"error":{"message":"no","code":500}}\n\n'), ends),
  "ends before an event": inTurn(...streams(), ends),
  "ends within an event": inTurn(...streams(EVENT.slice(0, 9)), ends),
  "breaks before an event": inTurn(...streams(), breaks),
  "breaks within an event": inTurn(...streams(EVENT.slice(0, 9)), breaks),
  "breaks after an event": inTurn(...streams(EVENT), breaks),
  "stalls after an event": inTurn(...streams(EVENT)),
};
