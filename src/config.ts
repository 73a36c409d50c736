import { z } from "zod";
import { RouterError } from "./core/errors.ts";
import { forwardingProviders, type ForwardingKind } from "./providers/index.ts";

/** What is at an address is told to people and written to logs, address included. */
const Address = z.url().refine((text) => !hasCredentials(text), {
  error: "must have no user name or password in it, because addresses are logged; give the key in its own variable",
});

function hasCredentials(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username !== "" || password !== "";
}

const Milliseconds = z.coerce.number().int().positive();

/** The name of the environment variable that holds a key. */
const KeyName = z.string().regex(/^[A-Z][A-Z0-9_]*$/);

const ForwardingConfig = z.strictObject({
  kind: z.enum(Object.keys(forwardingProviders) as [ForwardingKind]),
  /** Base URL up to and including the version, such as `https://api.openai.com/v1`. */
  baseUrl: Address,
  apiKeyEnv: KeyName.optional(),
  /** False for an upstream that refuses `stream_options`: what its streams use is then not known. */
  mayAskForUsage: z.boolean().default(true),
});

/** Whatever vendor LangChain has; see `src/providers/langchain.ts`. */
const LangchainConfig = z.strictObject({
  kind: z.literal("langchain"),
  /** LangChain's name of the vendor, such as `anthropic`. */
  modelProvider: z.string().min(1),
  apiKeyEnv: KeyName.optional(),
  baseUrl: Address.optional(),
  /** Further fields for the vendor's constructor; never secrets. */
  fields: z.record(z.string(), z.json()).optional(),
  /** Request fields that go to constructor fields. */
  parameters: z.record(z.string(), z.string()).optional(),
  /** Request fields that are left out instead of refused. */
  ignored: z.array(z.string()).optional(),
});

const ProviderConfig = z.preprocess(
  (value) => (typeof value === "object" && value !== null && !("kind" in value) ? { ...value, kind: "openai" } : value),
  z.discriminatedUnion("kind", [ForwardingConfig, LangchainConfig]),
);

/** JSON in a variable. The parser's own message quotes the text, which may be a secret, so it is left out. */
export const jsonText = <T>(schema: z.ZodType<T>) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: "custom", message: "is not valid JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema);

/** `{"openai":{"baseUrl":"https://…/v1","apiKeyEnv":"OPENAI_API_KEY"}}` */
export const Providers = jsonText(z.record(z.string(), ProviderConfig));

const Secret = z.string().min(16);
/** Signs prediction ids; several, comma-separated, while one is being replaced: the first signs, all open. */
export const Secrets = z
  .string()
  .transform((text) => text.split(",").filter((secret) => secret !== ""))
  .pipe(z.tuple([Secret], Secret));

const OtlpHeaders = z.string().transform((text, context): Readonly<Record<string, string>> => {
  const pairs = text.split(",").filter((pair) => pair.trim() !== "");
  const headers: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at).trim().toLowerCase();
    if (at < 1 || !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) {
      // What stands there may be a secret.
      context.addIssue({ code: "custom", message: "must be name=value pairs, separated by commas" });
      return z.NEVER;
    }
    headers[name] = decodedValue(pair.slice(at + 1).trim());
  }
  return headers;
});

function decodedValue(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A value that was not encoded and has a percent sign is meant as it stands.
    return text;
  }
}

/** The environment, read in this one place. What may change while running lives in `policies/` and in flags. */
const Config = z.object({
  /** Where the embedded ledger, the signing secret and the operator's key live. */
  SEGUE_DATA: z.string().default(".segue"),
  SEGUE_POLICIES: z.string().default("policies"),
  SEGUE_FLAGS: z.string().default("flags.json"),
  LAUNCHDARKLY_SDK_KEY: z.string().min(1).optional(),
  SEGUE_HOST: z.string().default("127.0.0.1"),
  SEGUE_PORT: z.coerce.number().int().min(0).max(65_535).default(8790),
  SEGUE_SECRET: Secrets.optional(),
  SEGUE_PROVIDERS: Providers.optional(),
  OPENAI_BASE_URL: Address.default("https://api.openai.com/v1"),
  SEGUE_BODY_BYTES_MAX: z.coerce
    .number()
    .int()
    .positive()
    .default(10 * 1024 * 1024),
  /** How long a client may take to send its headers, and its whole request. */
  SEGUE_HEADERS_TIMEOUT_MS: Milliseconds.default(15_000),
  SEGUE_REQUEST_TIMEOUT_MS: Milliseconds.default(120_000),
  SEGUE_TICK_MS: Milliseconds.default(1000),
  SEGUE_CHECKPOINT_MS: Milliseconds.default(5000),
  /** How long a stopping server lets running requests go on. */
  SEGUE_DRAIN_MS: Milliseconds.default(30_000),
  SEGUE_ARIZE_URL: Address.default("https://api.arize.com"),
  SEGUE_ARIZE_API_KEY: z.string().min(1).optional(),
  SEGUE_ARIZE_SPACE_ID: z.string().min(1).optional(),
  SEGUE_ARIZE_PROJECT_ID: z.string().min(1).optional(),
  SEGUE_ARIZE_WEBHOOK_SECRET: z.string().min(1).optional(),
  SEGUE_ARIZE_WEBHOOK_AUTH: z.enum(["hmac", "bearer"]).default("hmac"),
  /** Whether the `whsec_` of the secret is part of the HMAC's key, which Arize does not document. */
  SEGUE_ARIZE_WEBHOOK_KEY: z.enum(["whole", "without-prefix"]).default("whole"),
  SEGUE_ARIZE_POLL_MS: Milliseconds.default(60_000),
  /** By name, as spans are filed under it. */
  SEGUE_ARIZE_PROJECT: z.string().min(1).default("segue"),
  /** Where spans are sent, without `/traces`. */
  SEGUE_ARIZE_OTLP_URL: Address.default("https://otlp.arize.com/v1"),
  SEGUE_ARIZE_GRAPHQL_URL: Address.default("https://app.arize.com/graphql"),
  /** For GraphQL, which takes no other key. */
  SEGUE_ARIZE_DEVELOPER_KEY: z.string().min(1).optional(),
  /** The whole address of the log for tabular models. */
  SEGUE_ARIZE_LOG_URL: Address.default("https://api.arize.com/v1/log"),
  /** The feedback metric whose labels are sent there as actuals; nothing is sent there without one. */
  SEGUE_ARIZE_LOG_METRIC: z.string().min(1).optional(),
  /** Such as `http://phoenix:6006`. */
  SEGUE_PHOENIX_URL: Address.optional(),
  SEGUE_PHOENIX_API_KEY: z.string().min(1).optional(),
  SEGUE_PHOENIX_PROJECT: z.string().min(1).default("segue"),
  SEGUE_PHOENIX_POLL_MS: Milliseconds.default(60_000),
  /** Any other collector of OTLP over HTTP, with `/v1/traces`. */
  SEGUE_OTLP_URL: Address.optional(),
  /** `name=value` pairs, comma-separated, as OpenTelemetry writes them. */
  SEGUE_OTLP_HEADERS: OtlpHeaders.optional(),
  /** Whether spans are kept on the disk until they are sent, so that a crash loses none. */
  SEGUE_SPOOL: z.enum(["off", "on"]).default("off"),
  /** How long feedback waits for its span before it is sent the first time. */
  SEGUE_FEEDBACK_LAG_MS: Milliseconds.default(30_000),
  /** How often the labels of prompts are looked at in their hubs. */
  SEGUE_PROMPTS_POLL_MS: Milliseconds.default(300_000),
  /** Where reports of the segments are written; none are without it. */
  SEGUE_REPORT_DIR: z.string().min(1).optional(),
  /** Whole hours, because reports begin and end with one; 90 days are as far back as losses are kept. */
  SEGUE_REPORT_EVERY_HOURS: z.coerce.number().int().min(1).max(2160).default(24),
  SEGUE_REPORT_KEEP: z.coerce.number().int().positive().default(30),
  /** Where the CLI finds a running server, and the key it uses there. */
  SEGUE_URL: Address.optional(),
  SEGUE_KEY: z.string().min(1).optional(),
});
export type Config = z.infer<typeof Config>;

export type ProviderConfig = z.infer<typeof ProviderConfig>;

/** @throws RouterError `invalid_request` naming each variable at fault */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Config.safeParse(Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== "")));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new RouterError("invalid_request", `The environment has ${faults.length} fault(s):\n  ${faults.join("\n  ")}`, {
    reason: "invalid_config",
  });
}

/** The providers by id: those named in the environment, else OpenAI. */
export const providersOf = (config: Config): Readonly<Record<string, ProviderConfig>> =>
  config.SEGUE_PROVIDERS ?? {
    openai: { kind: "openai", baseUrl: config.OPENAI_BASE_URL, apiKeyEnv: "OPENAI_API_KEY", mayAskForUsage: true },
  };

/** Arize's settings, or null without an API key. */
export function arizeSettingsOf(config: Config): unknown {
  const { SEGUE_ARIZE_API_KEY: apiKey, SEGUE_ARIZE_WEBHOOK_SECRET: secret, SEGUE_ARIZE_WEBHOOK_AUTH: auth } = config;
  if (apiKey === undefined) return null;
  return {
    baseUrl: config.SEGUE_ARIZE_URL,
    apiKey,
    spaceId: config.SEGUE_ARIZE_SPACE_ID,
    projectId: config.SEGUE_ARIZE_PROJECT_ID,
    webhook:
      secret === undefined
        ? undefined
        : auth === "hmac"
          ? { auth, secret, key: config.SEGUE_ARIZE_WEBHOOK_KEY }
          : { auth, secret },
    graphql:
      config.SEGUE_ARIZE_DEVELOPER_KEY === undefined
        ? undefined
        : { url: config.SEGUE_ARIZE_GRAPHQL_URL, developerKey: config.SEGUE_ARIZE_DEVELOPER_KEY },
  };
}

/** Phoenix's settings as a source, or null without an address. */
export const phoenixSettingsOf = (config: Config): unknown =>
  config.SEGUE_PHOENIX_URL === undefined
    ? null
    : {
        baseUrl: config.SEGUE_PHOENIX_URL,
        apiKey: config.SEGUE_PHOENIX_API_KEY,
        project: config.SEGUE_PHOENIX_PROJECT,
        pollSeconds: Math.max(1, Math.round(config.SEGUE_PHOENIX_POLL_MS / 1000)),
      };
