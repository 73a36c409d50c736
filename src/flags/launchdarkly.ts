import { hash } from "node:crypto";
import { init, type LDContext, type LDOptions } from "launchdarkly-node-server-sdk";
import { FileDataSourceFactory } from "launchdarkly-node-server-sdk/integrations";
import type { Attributes } from "../core/attributes.ts";
import { Mode } from "../core/policy.ts";
import type { FlagContext, Flags, FlagValue, Log } from "../ports.ts";
import { watchFlagsFile, type FlagsFile } from "./flags-file.ts";

export const flagKeys = {
  fallback: "segue-fallback",
  automation: "segue-automation",
  mode: "segue-mode",
  telemetry: "segue-telemetry",
} as const;
const defaults = {
  [flagKeys.fallback]: "",
  [flagKeys.automation]: true,
  [flagKeys.mode]: "",
  [flagKeys.telemetry]: 1,
};

interface FileSource {
  /** A file in LaunchDarkly's own format; no account and no network. */
  readonly file: string;
  readonly pollMs?: number;
  readonly graceMs?: number;
}

interface StreamSource {
  readonly sdkKey: string;
  readonly baseUri?: string;
  readonly streamUri?: string;
  readonly eventsUri?: string;
  /** Evaluation counts for LaunchDarkly's own pages; attributes never leave the process. True when absent. */
  readonly sendEvents?: boolean;
  /** How long to wait for the first flags before defaults are served. */
  readonly waitMs?: number;
}

export type LaunchdarklyOptions = { readonly log: Log } & (FileSource | StreamSource);

/**
 * LaunchDarkly's server SDK, streaming or on a local file, evaluated in memory.
 * Rejects only for options that the SDK refuses: without LaunchDarkly, or without the file, defaults are
 * served, `status()` says so, and the flags act as soon as they arrive.
 */
export async function launchdarklyFlags(options: LaunchdarklyOptions): Promise<Flags> {
  const { log } = options;
  const warnOnce = onceEach(log);
  const file = "file" in options ? watchFlagsFile({ ...options, path: options.file, defaults }) : null;
  const logger = { error: warnOnce, warn: warnOnce, info: ignore, debug: ignore };
  const client = init(
    "sdkKey" in options ? options.sdkKey : "flags-file",
    file === null ? { ...streamOptions(options as StreamSource), logger } : { ...fileOptions(options, file), logger },
  );
  let failure: string | null = null;
  client.on("error", (error: Error) => warnOnce(error.message));
  client.on("failed", (error: Error) => (failure = error.message));
  // Without a listener the SDK does not look for changes at all.
  const listeners = new Set<() => void>();
  client.on("update", () => {
    for (const listener of listeners) listener();
  });

  function evaluate<T extends string | boolean | number>(flag: string, context: LDContext, fallback: T): FlagValue<T> {
    const answer: { value?: unknown; reason?: string } = {};
    client
      .variationDetail(flag, context, fallback, (_error, { value, reason }) => {
        answer.value = value;
        answer.reason = reason.kind === "ERROR" ? `ERROR:${reason.errorKind}` : reason.kind;
      })
      .catch((error: unknown) => warnOnce(`flag ${flag} could not be evaluated: ${String(error)}`));
    // An in-memory store answers before the call returns; one that does not is no reason to wait on the hot path.
    if (answer.reason === undefined) return { value: fallback, reason: "ERROR" };
    if (typeof answer.value === typeof fallback) return { value: answer.value as T, reason: answer.reason };
    warnOnce(`flag ${flag} must be a ${typeof fallback}, got ${JSON.stringify(answer.value)}: it is ignored`);
    return { value: fallback, reason: "ERROR:WRONG_TYPE" };
  }

  if (file === null || (await file.tried)) await firstFlags(client, (options as StreamSource).waitMs ?? 2000, log);

  return {
    fallback: (context) => evaluate<string>(flagKeys.fallback, contextOf(context), ""),
    automation: (policy, segment) => evaluate<boolean>(flagKeys.automation, wholeSegment(policy, segment), true),
    mode: (policy, segment) => {
      const mode = evaluate<string>(flagKeys.mode, wholeSegment(policy, segment), "");
      if (mode.value === "" || Mode.safeParse(mode.value).success) return mode;
      warnOnce(`flag ${flagKeys.mode} must be one of ${Mode.options.join(", ")}, got '${mode.value}': it is ignored`);
      return { value: "", reason: mode.reason };
    },
    telemetry: (policy, segment) => {
      const share = evaluate<number>(flagKeys.telemetry, wholeSegment(policy, segment), 1);
      if (share.value >= 0 && share.value <= 1) return share;
      warnOnce(`flag ${flagKeys.telemetry} must be from 0 to 1, got ${share.value}: it is ignored`);
      return { value: 1, reason: share.reason };
    },
    onChange: (listener) => {
      const own = () => listener();
      listeners.add(own);
      return () => listeners.delete(own);
    },
    status: () => ({
      source: file === null ? "LaunchDarkly" : `file ${(options as FileSource).file}`,
      ready: client.initialized(),
      detail: file?.problem() ?? (client.initialized() ? "flags are current" : notReady(failure)),
    }),
    close: () => {
      listeners.clear();
      file?.close();
      client.close();
      return Promise.resolve();
    },
  };
}

const ignore = (): void => undefined;
const notReady = (failure: string | null): string =>
  `no flags were received yet, so defaults are served${failure === null ? "" : `: ${failure}`}`;

async function firstFlags(client: ReturnType<typeof init>, waitMs: number, log: Log): Promise<void> {
  try {
    await client.waitForInitialization({ timeout: waitMs / 1000 });
  } catch (error) {
    log.warn(`no flags were received yet: defaults are served until it does (${(error as Error).message})`);
  }
}

function streamOptions({ baseUri, streamUri, eventsUri, sendEvents = true }: StreamSource): LDOptions {
  return {
    sendEvents,
    allAttributesPrivate: true,
    diagnosticOptOut: true,
    ...(baseUri === undefined ? {} : { baseUri }),
    ...(streamUri === undefined ? {} : { streamUri }),
    ...(eventsUri === undefined ? {} : { eventsUri }),
  };
}

/** Not `offline`: that would switch the file data source off too. */
function fileOptions(options: LaunchdarklyOptions, { fileSystem }: FlagsFile): LDOptions {
  const create = new FileDataSourceFactory({ paths: [(options as FileSource).file], autoUpdate: true }).getFactory();
  return {
    sendEvents: false,
    updateProcessor: (context, updates, onReady, onError) =>
      create({ ...context, platform: { ...context.platform, fileSystem } }, updates as never, onReady, onError),
  };
}

/** The SDK repeats some lines at every evaluation. */
function onceEach(log: Log): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (said.has(message) || said.size >= 1000) return;
    said.add(message);
    log.warn(`flags: ${message}`);
  };
}

const wholeSegment = (policy: string, segment: string): LDContext =>
  contextOf({ policy, segment, unit: null, attributes: {} });

/**
 * Kinds `policy` and `segment` (keys: their ids; a segment also has the attribute `policy`, for ids repeat over
 * policies), `unit` (key: the first 16 hex digits of its SHA-256; absent for the segment as a whole)
 * and `request`, which carries the request's attributes.
 */
function contextOf({ policy, segment, unit, attributes }: FlagContext): LDContext {
  return {
    kind: "multi",
    policy: { key: policy },
    segment: { key: segment, policy },
    request: { ...renamed(attributes), key: "request" },
    ...(unit === null ? {} : { unit: { key: hash("sha256", unit).slice(0, 16) } }),
  };
}

/** Names that mean something else in a LaunchDarkly context; they arrive as `attribute_<name>`. */
const RESERVED = ["key", "kind", "name", "anonymous"] as const;

function renamed(attributes: Attributes): Attributes {
  if (!RESERVED.some((name) => Object.hasOwn(attributes, name))) return attributes;
  const reserved: readonly string[] = RESERVED;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [reserved.includes(name) ? `attribute_${name}` : name, value]),
  );
}
