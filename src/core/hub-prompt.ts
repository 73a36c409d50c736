import { z } from "zod";
import { sha256 } from "./digest.ts";
import { RouterError } from "./errors.ts";

export const HubId = z.enum(["arize", "phoenix"]);
export type HubId = z.infer<typeof HubId>;

/** What to set so that a hub can be read. */
export const HUB_SETTINGS: Readonly<Record<HubId, string>> = {
  arize: "set SEGUE_ARIZE_API_KEY, and SEGUE_ARIZE_SPACE_ID where prompts are named",
  phoenix: "set SEGUE_PHOENIX_URL, and SEGUE_PHOENIX_API_KEY where it asks for a key",
};

/**
 * A name or id in a hub. It becomes one segment of an address, where `.` and `..` would lead elsewhere, and is printed, so
 * that it has no characters which a terminal obeys.
 */
export const HubName = z
  .string()
  .max(200)
  .regex(
    /^(?!\.{1,2}$)[ -~\u00a0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\uffff]+$/,
    "write the name or id as the hub shows it",
  );

const place = { hub: HubId, prompt: HubName, version: HubName.optional(), label: HubName.optional() };

/** A prompt of a hub as a policy file names it: one version by its id, or whichever a label (Phoenix: tag) is on. */
export const HubPrompt = z
  .strictObject(place)
  .refine(({ version, label }) => (version === undefined) !== (label === undefined), {
    message: "name either a 'version' or a 'label'",
  });
export type HubPrompt = z.infer<typeof HubPrompt>;

/**
 * Where a variant's prompt comes from. With the variant's own `prompt` it is pinned: `version` is what was read, and
 * `label` the one that was on it then. Without, nobody has read the hub yet, and the variant cannot be published.
 */
export const PromptSource = z.strictObject({
  ...place,
  /** The hub's own id of the prompt. */
  promptId: HubName.optional(),
});
export type PromptSource = z.infer<typeof PromptSource>;

/** One version of a hub's prompt, as Segue can serve it. */
export interface ResolvedPrompt {
  readonly promptId: string;
  readonly name: string;
  /** The version's id. */
  readonly version: string;
  /** In mustache, whatever the hub's format is. */
  readonly text: string;
  /** What the hub would send beside the text; Segue sends what the variant says. Null where the version has none. */
  readonly model: string | null;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/**
 * A place that keeps prompts. `resolve` rejects with a RouterError: `upstream_unavailable` when the hub gave no answer or
 * refused ours, `not_found` for what is not there, `invalid_request` for a version that is no system prompt.
 */
export interface PromptHub {
  readonly resolve: (prompt: HubPrompt) => Promise<ResolvedPrompt>;
}

/** Those that are configured. */
export type PromptHubs = Readonly<Partial<Record<HubId, PromptHub>>>;

/** The hub of a prompt. @throws RouterError `invalid_request` when it is not configured */
export function hubOf(hubs: PromptHubs, id: HubId): PromptHub {
  const hub = hubs[id];
  if (hub !== undefined) return hub;
  throw new RouterError("invalid_request", `The prompt hub '${id}' is not configured: ${HUB_SETTINGS[id]}.`, {
    reason: "hub_not_configured",
  });
}

const VERSION = /^[a-z0-9][a-z0-9.-]{0,39}$/;

/**
 * The `name@version` under which a version is published, such as `hub-phoenix-support@3`: the same for the same version
 * whatever label led to it. Ids that lose something in the spelling end with their digest.
 */
export function pinnedRef(hub: HubId, { name, version }: Pick<ResolvedPrompt, "name" | "version">): string {
  const id = globalIdParts(version)?.id ?? version;
  const spelled = VERSION.test(id) ? id : `${slug(id, "v")}-${sha256(version).slice(0, 8)}`;
  return `hub-${hub}-${slug(name, "prompt")}@${spelled}`;
}

/** Whether a version of the source is pinned under the name. An id does not tell the prompt's name, so any may be in it. */
export function isPinnedRef(ref: string, { hub, prompt, version }: PromptSource): boolean {
  if (version === undefined) return false;
  const [named = ""] = ref.replace(`hub-${hub}-`, "").split("@");
  return ref === pinnedRef(hub, { name: hub === "arize" && isPromptId(prompt) ? named : prompt, version });
}

const slug = (text: string, otherwise: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replace(/^-+|-+$/g, "") || otherwise;

/** `Prompt` and `123` of base64 of `Prompt:123`, the form of both vendors' global ids, or null. */
export function globalIdParts(text: string): { readonly type: string; readonly id: string } | null {
  if (!/^[A-Za-z0-9+/_-]{4,200}={0,2}$/.test(text)) return null;
  try {
    const [, type, id] = /^([A-Za-z]+):([!-~]+)$/.exec(atob(text.replaceAll("-", "+").replaceAll("_", "/"))) ?? [];
    return type === undefined || id === undefined ? null : { type, id };
  } catch {
    // Looks like base64, is not: a name.
    return null;
  }
}

/** Whether Arize takes it for the id of a prompt, not a name. */
export const isPromptId = (prompt: string): boolean => globalIdParts(prompt)?.type === "Prompt";

/** `label 'production' of arize prompt 'support'`, for people. */
export const hubPromptName = ({ hub, prompt, version, label }: HubPrompt): string =>
  `${label === undefined ? `version '${version}'` : `label '${label}'`} of ${hub} prompt '${prompt}'`;
