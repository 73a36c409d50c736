import { randomBytes } from "node:crypto";
import OpenAI from "openai";
import {
  completion,
  json,
  startOpenaiUpstream,
  type OpenaiUpstream,
  type SeenRequest,
} from "../fakes/openai-upstream.ts";
import { createWorkspace, type SegueServer, type Workspace } from "./segue-process.ts";

/** A clock that a test moves, for its fakes and, through a preloaded file, for its servers. */
export interface MovedClock {
  readonly now: () => number;
  readonly advance: (ms: number) => void;
}

/** Has what runs in the workspace from now on run on this clock. */
export function moveClockOf(home: Workspace): MovedClock {
  let aheadMs = 0;
  home.write("clock", "0");
  home.environment.TEST_FOLDER = home.path;
  home.environment.NODE_OPTIONS = `--import=${new URL("./telemetry-preload.ts", import.meta.url).href}`;
  return {
    now: () => Date.now() + aheadMs,
    advance: (ms) => home.write("clock", String((aheadMs += ms))),
  };
}

export interface SegmentLine {
  readonly id: string;
  readonly risk?: "low" | "high";
}

const segmentYaml = ({ id, risk = "low" }: SegmentLine): string => `
  - id: ${id}
    when: region == "${id}"
    risk: ${risk}
    owner: team-${id}
    businessUnit: retail
    mode: ${risk === "low" ? "auto" : "approve"}
    objectives:
      - { metric: resolution, against: bound, lossMax: 0.2 }
    ladder:
      - variant: large
        validated: { score: 0.95, items: 300 }
      - variant: small
        validated: { score: 0.93, items: 300 }
    why: What leaves for Arize and Phoenix is watched on it.
`;

/** A shop's assistant with a segment a region, a prompt version and a feedback metric. @param more members of the policy, as YAML */
export const shopPolicy = (segments: readonly SegmentLine[], more = "", attributes = ""): string => `policy: shop
attributes:
  region:
    type: string
    values: [${[...segments.map(({ id }) => id), "elsewhere"].join(", ")}]
    default: elsewhere
${attributes}
metrics:
  resolution:
    from: feedback
    labels: { solved: 1, unsolved: 0 }
variants:
  large:
    provider: openai
    model: gpt-4o
    prompt: help@v3
  small:
    provider: openai
    model: gpt-4o-mini
    prompt: help@v3
default: large
segments:
${segments.map(segmentYaml).join("")}
guard:
  cooldownSeconds: 1
  revertSeconds: 1
  shareInFlightMax: 1
${more}
`;

/** `init` and `apply`. @returns the application's key */
export async function publishShop(home: Workspace, policy: string): Promise<string> {
  home.write("policies/shop.yaml", policy);
  home.write("policies/prompts/help/v3.md", "You help customers of the shop.\n");
  const init = await home.run("init", "--json", "--name", "ada");
  const applied = await home.run("apply", "--json");
  if (init.code !== 0 || applied.code !== 0) throw new Error(`${init.stdout}${applied.stdout}${applied.stderr}`);
  return (init.json() as { applicationKey: string }).applicationKey;
}

/** An answer, as its asker knows it. */
export interface Answer {
  readonly id: string;
  readonly segment: string;
  readonly variant: string;
  readonly text: string;
  /** As the prediction id has it. */
  readonly spanId: string;
  readonly traceId: string;
}

export interface Ask {
  readonly region: string;
  readonly question?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly user?: string;
  /** Members of the request's body over these. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** What the model answers, where it is not to know or not. */
  readonly answer?: string;
}

/** A server behind OpenAI's own client, and an upstream that knows the answer, or not. */
export interface Shop {
  readonly home: Workspace;
  readonly upstream: OpenaiUpstream;
  readonly clock: MovedClock;
  readonly server: () => SegueServer;
  readonly serve: () => Promise<SegueServer>;
  /** The application's. */
  readonly key: () => string;
  readonly publish: (policy: string) => Promise<void>;
  /** From now on the model answers badly where the question names the region. */
  readonly breakIn: (region: string, model: string) => void;
  readonly mend: () => void;
  readonly ask: (ask: Ask) => Promise<Answer>;
  /** @returns the receipt of feedback that says whether the answer was good */
  readonly rate: (answer: Answer, more?: object) => Promise<Record<string, unknown>>;
  readonly askAndRate: (ask: Ask) => Promise<Answer>;
  readonly remove: () => Promise<void>;
}

const GOOD = "It arrives on Friday.";
const BAD = "I could not say.";

export async function openShop(environment: (clock: () => number) => Promise<Record<string, string>>): Promise<Shop> {
  const upstream = await startOpenaiUpstream();
  const home = createWorkspace({
    OPENAI_BASE_URL: upstream.baseUrl,
    // Longer than a batch of spans waits: what is sent before its span is there is tried again ten seconds later only.
    SEGUE_FEEDBACK_LAG_MS: "1300",
    SEGUE_DRAIN_MS: "1000",
  });
  const clock = moveClockOf(home);
  Object.assign(home.environment, await environment(clock.now));
  let key = "";
  let server: SegueServer | null = null;
  const running = (): SegueServer => {
    if (server === null) throw new Error("Nothing is served yet.");
    return server;
  };
  const broken = new Set<string>();
  const answerOf = ({ body }: SeenRequest, text?: string) => {
    const answer = completion(body.model);
    const [choice] = answer.choices;
    const asked = JSON.stringify(body.messages);
    const isBad = [...broken].some(
      (one) => one.endsWith(` ${body.model}`) && asked.includes(`in ${one.split(" ")[0]}`),
    );
    choice!.message.content = text ?? (isBad ? BAD : GOOD);
    return json(answer);
  };
  const ask = async ({
    region,
    question,
    metadata = {},
    headers = {},
    user,
    body = {},
    answer,
  }: Ask): Promise<Answer> => {
    const client = new OpenAI({ baseURL: `${running().url}/v1`, apiKey: key, maxRetries: 0 });
    upstream.reply((request) => answerOf(request, answer));
    const { data, response } = await client.chat.completions
      .create(
        {
          model: "shop",
          messages: [{ role: "user", content: question ?? `When does my parcel in ${region} arrive?` }],
          metadata: { region, ...metadata },
          ...(user === undefined ? {} : { user }),
          ...body,
        },
        { headers: { ...headers } },
      )
      .withResponse();
    const id = response.headers.get("x-segue-prediction-id") ?? "";
    // Version, revision and row take 11 bytes; trace id and span id follow.
    const bytes = Buffer.from(id, "base64url");
    return {
      id,
      segment: response.headers.get("x-segue-segment") ?? "",
      variant: response.headers.get("x-segue-variant") ?? "",
      text: data.choices[0]?.message.content ?? "",
      traceId: bytes.subarray(11, 27).toString("hex"),
      spanId: bytes.subarray(27, 35).toString("hex"),
    };
  };
  const rate = async ({ id, text }: Answer, more: object = {}): Promise<Record<string, unknown>> => {
    const body = { prediction_id: id, name: "resolution", score: text === GOOD ? 1 : 0, ...more };
    const receipt = await running().ask("POST", "/v1/feedback", { key, body });
    if (receipt.status !== 200) throw new Error(JSON.stringify(receipt.body));
    return receipt.body;
  };
  return {
    home,
    upstream,
    clock,
    server: running,
    key: () => key,
    serve: async () => (server = await home.serve()),
    publish: async (policy) => void (key = await publishShop(home, policy)),
    breakIn: (region, model) => void broken.add(`${region} ${model}`),
    mend: () => broken.clear(),
    ask,
    rate,
    askAndRate: async (one) => {
      const answer = await ask(one);
      await rate(answer);
      return answer;
    },
    remove: async () => {
      await home.remove();
      await upstream.close();
    },
  };
}

/** What was connected to by whatever ran in the workspace, each once. */
export const hostsOf = (home: Workspace): readonly string[] =>
  [...new Set(home.read("hosts").trim().split("\n"))].sort();

/** A caller's trace, and the header that tells of it. */
export function callerTrace(): { readonly traceId: string; readonly spanId: string; readonly traceparent: string } {
  const traceId = randomBytes(16).toString("hex");
  const spanId = randomBytes(8).toString("hex");
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}
