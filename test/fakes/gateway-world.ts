import { randomBytes } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import OpenAI from "openai";
import { Agent } from "undici";
import { keyText, type ApiKey } from "../../src/core/api-key.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { Event } from "../../src/core/event.ts";
import { fold } from "../../src/core/fold.ts";
import { chain, parseEntry } from "../../src/core/ledger.ts";
import type { AmountOutcome, Outcome } from "../../src/core/outcome.ts";
import { Policy } from "../../src/core/policy.ts";
import { predictionIds } from "../../src/core/prediction-id.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";
import { noWatch } from "../../src/gateway/answer-watch.ts";
import { authenticator } from "../../src/gateway/authenticate.ts";
import { explainDecision } from "../../src/gateway/explain-decision.ts";
import { createLimits } from "../../src/gateway/limits.ts";
import { listModels, readModel } from "../../src/gateway/list-models.ts";
import { createRecentExposures } from "../../src/gateway/recent-exposures.ts";
import { recordFeedback } from "../../src/gateway/record-feedback.ts";
import { serveModel } from "../../src/gateway/serve-model.ts";
import { servingOf } from "../../src/gateway/serving.ts";
import { targetHealth } from "../../src/gateway/target-health.ts";
import { createTurnMemory } from "../../src/gateway/turn-memory.ts";
import { nodeListener } from "../../src/node-listener.ts";
import type { Clock, Deadlines, Exposure, Provider, ServedSpan } from "../../src/ports.ts";
import { genaiPrices } from "../../src/prices/genai-prices.ts";
import { openaiProvider } from "../../src/providers/openai.ts";
import { undiciTransport } from "../../src/providers/undici-transport.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { timerDeadlines } from "../../src/timer-deadlines.ts";
import { createApp } from "../../routes/app.ts";
import { BODY_BYTES_MAX } from "../../routes/json-body.ts";
import type { ModelCallVerbs } from "../../routes/model-calls.ts";
import { startOpenaiUpstream } from "./openai-upstream.ts";

export const START = 1_750_000_000_000;
export const UPSTREAM_KEY = "sk-upstream-secret-0123456789";

/** Segment `eu` is served variant `warm` (with a prompt), everybody else `plain` (with a failover). */
export const policy = Policy.parse({
  policy: "support-chat",
  attributes: {
    region: { type: "string", values: ["eu", "us"] },
    seats: { type: "number" },
    user_tier: { type: "string", trust: "key" },
  },
  metrics: {
    thumbs: { from: "feedback", labels: { up: 1, down: 0 } },
    toxicity: { from: "feedback", better: "lower" },
    failed: { from: "error" },
    slow: { from: "latency", slowerThanMs: 1000 },
  },
  variants: {
    warm: { prompt: "greet@1", provider: "main", model: "model-warm", parameters: { temperature: 0.25 } },
    plain: { provider: "main", model: "model-plain", failover: [{ provider: "spare", model: "model-spare" }] },
  },
  default: "plain",
  segments: [
    {
      id: "eu",
      when: 'region == "eu"',
      owner: "cx",
      ladder: [{ variant: "warm" }, { variant: "plain" }],
      why: "Answers in the EU are warm.",
    },
    {
      id: "gold",
      when: 'user_tier == "gold"',
      owner: "cx",
      ladder: [{ variant: "warm" }],
      why: "Gold customers are served warmly.",
    },
  ],
});
const greet = "You serve {{region}}.";
export const published = (changed: Policy = policy): Event => ({
  type: "policy.published",
  policy: changed,
  prompts: { "greet@1": { text: greet, digest: sha256(greet) } },
});

/** A canary of `plain` in segment `eu`, as the loop would write it. */
export function canaryEvents(share: number): Event[] {
  const change = {
    policy: "support-chat",
    segment: "eu",
    from: "warm",
    to: "plain",
    cause: "manual" as const,
    metric: "thumbs",
    steps: [{ share, labelsMin: 10, secondsMin: 0 }],
    basedOn: 1,
    evidence: {},
  };
  const proposedBy = { kind: "loop" as const, instance: "test" };
  const phase = { kind: "proposed" as const, since: START, expiresAt: START + 1 };
  return [
    { type: "switchover.proposed", switchover: { id: "move-1", change, digest: "d", gate: "none", proposedBy, phase } },
    {
      type: "switchover.moved",
      id: "move-1",
      phase: { kind: "canary", step: 0, share, since: START, startedAt: START },
    },
  ];
}

export function apiKey(id: string, rest: Partial<ApiKey> = {}): { readonly key: ApiKey; readonly text: string } {
  const text = keyText(id, "secretsecretsecretsecret");
  const holder = { kind: "machine" as const, name: "shop" };
  const key: ApiKey = {
    id,
    hash: sha256(text),
    holder,
    scopes: ["serve"],
    attributes: {},
    policies: [],
    createdAt: START,
    expiresAt: null,
    ...rest,
  };
  return { key, text };
}

/** A control plane without a ledger behind it: events are folded as they come. */
export function foldedControl(initial: readonly Event[]) {
  let state: ControlState = emptyState;
  const current = { value: true };
  const commit = (...events: readonly Event[]): void => {
    const drafts = events.map((event) => ({ at: START, actor: { kind: "operator" as const, id: "test" }, event }));
    state = fold(state, chain(state.head, drafts).map(parseEntry));
  };
  commit(...initial);
  return { controlPlane: { state: () => state, isCurrent: () => current.value }, commit, current };
}

/** Deadlines that come after real milliseconds, and move a hand-cranked clock to when they were due. */
function crankingDeadlines(clock: Clock & { at: number }): Deadlines {
  const timers = timerDeadlines(clock);
  return {
    watch: (onDue) => {
      let dueAt = Infinity;
      const timer = timers.watch(() => {
        clock.at = Math.max(clock.at, dueAt);
        onDue();
      });
      return {
        get dueAt() {
          return timer.dueAt;
        },
        set dueAt(time) {
          dueAt = time;
          timer.dueAt = time;
        },
        end: timer.end,
      };
    },
  };
}

/** The whole data plane over real sockets: Node's listener and the app behind it on a port, two upstreams on others. */
export async function startGatewayWorld({ bodyBytesMax = BODY_BYTES_MAX }: { bodyBytesMax?: number } = {}) {
  const main = await startOpenaiUpstream();
  const spare = await startOpenaiUpstream();
  const serving = apiKey("servingkey");
  const { controlPlane, commit, current } = foldedControl([published(), { type: "key.created", key: serving.key }]);
  const clock = { at: START, now: () => clock.at };
  const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) };
  const logged: { message: string; fields: unknown }[] = [];
  const note = (message: string, fields?: unknown): void => void logged.push({ message, fields });
  const log = { info: note, warn: note, error: note };
  const exposures: Exposure[] = [];
  const spans: ServedSpan[] = [];
  const outcomes: Outcome[] = [];
  const waiting: (() => void)[] = [];
  const flag = { value: "" };
  const agent = new Agent();
  const transport = undiciTransport(agent);
  const counters = memoryCounters();
  const provider = (id: string, baseUrl: string): Provider =>
    openaiProvider({ id, baseUrl, apiKey: () => UPSTREAM_KEY, transport });
  const recentExposures = createRecentExposures(counters);
  /** Rows as `policy/segment/variant` of which labels are wanted. */
  const wanted = new Set<string>();
  const wantsLabels = (...row: readonly string[]): boolean => wanted.has(row.join("/"));
  const deps = {
    controlPlane,
    recentExposures,
    wantsLabels,
    serving: servingOf({ controlPlane, log }),
    nextTurn: () => new Promise<void>((resolve) => setImmediate(resolve)),
    flags: { fallback: () => ({ value: flag.value, reason: "FALLTHROUGH" }) },
    providers: new Map([
      ["main", provider("main", main.baseUrl)],
      ["spare", provider("spare", spare.baseUrl)],
    ]),
    health: targetHealth(),
    turns: createTurnMemory(),
    limits: createLimits({ clock, counters }),
    prices: genaiPrices({ clock }),
    watch: noWatch,
    deadlines: crankingDeadlines(clock),
    predictionIds: predictionIds(["a secret of the test"]),
    exposures: {
      record: (exposure: Exposure, session: string | null) => {
        recentExposures.remember(exposure.predictionId, { attributes: exposure.attributes, session });
        exposures.push(exposure);
        for (const wake of waiting.splice(0)) wake();
      },
    },
    spans: { wantsContent: () => true, record: (span: ServedSpan) => void spans.push(span) },
    outcomes: {
      observe: (outcome: Outcome | AmountOutcome) => {
        const known = outcomes.some((o) => o.predictionId === outcome.predictionId && o.metric === outcome.metric);
        if (!known && "loss" in outcome) outcomes.push(outcome);
        return !known;
      },
    },
    clock,
    random,
    log,
  };
  let requests = 0;
  const newRequestId = (): string => `request-${++requests}`;
  const modelCalls: ModelCallVerbs = {
    authenticate: authenticator(deps),
    serveModel: (call, sink) => serveModel(deps, call, sink),
  };
  const app = createApp(
    {
      ...modelCalls,
      explainDecision: (input) => explainDecision(deps, input),
      wantsLabels,
      recordFeedback: (input) => recordFeedback(deps, input),
      listModels: (key) => listModels(deps, key),
      readModel: (key, id) => readModel(deps, key, id),
      readiness: () => ({ ready: current.value }),
    },
    { clock, log, newRequestId, bodyBytesMax },
  );
  const listener = getRequestListener(app.fetch);
  const others: RequestListener = (request, response) => void listener(request, response);
  const server = createServer(nodeListener(modelCalls, { clock, log, newRequestId, bodyBytesMax, others }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    main,
    spare,
    app,
    origin,
    key: serving.text,
    apiKey: serving.key,
    commit,
    current,
    clock,
    deps,
    flag,
    logged,
    exposures,
    spans,
    outcomes,
    wanted,
    /** What the prediction id of this answer refers to. */
    predictionOf: (response: Response) =>
      deps.predictionIds.open(
        response.headers.get("x-segue-prediction-id") ?? "",
        (row) => controlPlane.state().rows[row],
      ),
    /** The exposure of this number (from 0) once it is recorded. */
    exposed: async (number = 0): Promise<Exposure> => {
      while (exposures.length <= number) await new Promise<void>((resolve) => void waiting.push(resolve));
      return exposures[number]!;
    },
    client: new OpenAI({ apiKey: serving.text, baseURL: `${origin}/v1`, maxRetries: 0 }),
    clientWith: (apiKey: string) => new OpenAI({ apiKey, baseURL: `${origin}/v1`, maxRetries: 0 }),
    post: (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      globalThis.fetch(`${origin}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${serving.text}`, "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    close: async (): Promise<void> => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await Promise.all([main.close(), spare.close(), agent.close()]);
    },
  };
}
export type GatewayWorld = Awaited<ReturnType<typeof startGatewayWorld>>;

export const hello = { model: "support-chat", messages: [{ role: "user" as const, content: "hello" }] };
