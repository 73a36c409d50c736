import { z } from "zod";
import { globalId } from "../vendor/global-id.ts";
import { json, problem, Refusal, type Reply } from "../vendor/reply.ts";
import { bodyOf, nameFilter, pageOf } from "./page.ts";
import type { AxWorld } from "./world.ts";

const Version = z.strictObject({
  commit_message: z.string().min(1),
  input_variable_format: z.enum(["F_STRING", "MUSTACHE", "NONE"]).default("F_STRING"),
  provider: z.enum(["OPEN_AI", "AZURE_OPEN_AI", "AWS_BEDROCK", "VERTEX_AI", "ANTHROPIC", "CUSTOM"]),
  model: z.string().default(""),
  messages: z
    .array(
      z.object({
        role: z.enum(["USER", "ASSISTANT", "SYSTEM", "TOOL"]),
        content: z.string().nullish(),
        tool_call_id: z.string().optional(),
        tool_calls: z.array(z.looseObject({})).optional(),
      }),
    )
    .min(1),
  invocation_params: z.looseObject({}).optional(),
  provider_params: z.looseObject({}).optional(),
});
const CreatePrompt = z.object({
  space_id: z.string(),
  name: z.string().min(1),
  description: z.string().optional(),
  version: Version,
});

type PromptVersion = z.infer<typeof Version> & {
  readonly id: string;
  readonly prompt_id: string;
  readonly commit_hash: string;
  readonly created_at: string;
  readonly created_by_user_id: string;
  labels: string[];
};
interface Prompt {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly space_id: string;
  readonly created_at: string;
  updated_at: string;
  readonly created_by_user_id: string;
}

const notFound = (detail: string) => new Refusal(problem(404, "Resource not found", detail));
const AUTHOR = globalId("User", 1);

/** AX's prompt hub: versions never change, a label is on one version of a prompt. */
export function promptHub(spaceId: string, now: () => number) {
  const prompts: Prompt[] = [];
  const versions: PromptVersion[] = [];
  const iso = () => new Date(now()).toISOString();
  const promptOf = (id: string): Prompt => {
    const found = prompts.find((prompt) => prompt.id === id);
    if (found === undefined) throw notFound(`There is no prompt '${id}'.`);
    return found;
  };
  const versionOf = (id: string): PromptVersion => {
    const found = versions.find((version) => version.id === id);
    if (found === undefined) throw notFound(`There is no prompt version '${id}'.`);
    return found;
  };
  /** Newest first. */
  const versionsOf = (promptId: string) => versions.filter((version) => version.prompt_id === promptId).toReversed();

  function addVersion(promptId: string, version: z.input<typeof Version>): PromptVersion {
    const number = versions.length + 1;
    const hash = number.toString(16).padStart(8, "0");
    const ids = { id: globalId("PromptVersion", number, "aB3d"), prompt_id: promptId, commit_hash: hash };
    const created = { ...Version.parse(version), ...ids, created_at: iso(), created_by_user_id: AUTHOR, labels: [] };
    versions.push(created);
    promptOf(promptId).updated_at = created.created_at;
    return created;
  }
  function add(name: string, version: z.input<typeof Version>, description: string | null = null) {
    if (prompts.some((prompt) => prompt.name === name))
      throw new Refusal(problem(409, "Resource conflict", `A prompt '${name}' already exists.`));
    const times = { created_at: iso(), updated_at: iso(), created_by_user_id: AUTHOR };
    const id = globalId("Prompt", 123 + prompts.length, "aB3d");
    const prompt = { id, name, description, space_id: spaceId, ...times };
    prompts.push(prompt);
    return { ...prompt, version: addVersion(prompt.id, version) };
  }
  /** Sets the labels of a version, and takes them from the versions that had them. */
  function setLabels(versionId: string, labels: readonly string[]): PromptVersion {
    const version = versionOf(versionId);
    for (const other of versionsOf(version.prompt_id))
      other.labels = other.labels.filter((label) => !labels.includes(label));
    version.labels = [...labels];
    return version;
  }
  function labelled(promptId: string, label: string): PromptVersion {
    const found = versionsOf(promptOf(promptId).id).find(({ labels }) => labels.includes(label));
    if (found === undefined) throw notFound(`No version of the prompt has the label '${label}'.`);
    return found;
  }
  return { prompts, promptOf, versionOf, versionsOf, labelled, add, addVersion, setLabels };
}
export type PromptHub = ReturnType<typeof promptHub>;

export const listPrompts = ({ hub }: AxWorld, query: URLSearchParams): Reply => {
  const newest = hub.prompts.toSorted((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
  const { items, pagination } = pageOf(newest.filter(nameFilter(query)), query, { max: 100, usual: 50 });
  return json({ prompts: items, pagination });
};

export function getPrompt({ hub }: AxWorld, id: string, query: URLSearchParams): Reply {
  const prompt = hub.promptOf(id);
  const [label, versionId] = [query.get("label"), query.get("version_id")];
  if (label !== null && versionId !== null)
    throw new Refusal(problem(400, "Invalid request parameters", "Give version_id or label, not both."));
  const version =
    label !== null ? hub.labelled(id, label) : versionId !== null ? hub.versionOf(versionId) : hub.versionsOf(id)[0];
  if (version?.prompt_id !== id) throw notFound(`The prompt '${id}' has no such version.`);
  return json({ ...prompt, version });
}

export const listPromptVersions = ({ hub }: AxWorld, id: string, query: URLSearchParams): Reply => {
  const { items, pagination } = pageOf(hub.versionsOf(hub.promptOf(id).id), query, { max: 100, usual: 50 });
  return json({ prompt_versions: items, pagination });
};

export const createPrompt = ({ hub }: AxWorld, body: Buffer): Reply => {
  const { name, description, version } = bodyOf(CreatePrompt, body);
  return json(hub.add(name, version, description ?? null), 201);
};
export const createPromptVersion = ({ hub }: AxWorld, id: string, body: Buffer): Reply =>
  json(hub.addVersion(hub.promptOf(id).id, bodyOf(Version, body)), 201);
export const putLabels = ({ hub }: AxWorld, versionId: string, body: Buffer): Reply =>
  json(hub.setLabels(versionId, bodyOf(z.strictObject({ labels: z.array(z.string().min(1)) }), body).labels));
export const deleteLabel = ({ hub }: AxWorld, versionId: string, label: string): Reply => {
  const version = hub.versionOf(versionId);
  if (!version.labels.includes(label)) throw notFound(`The version has no label '${label}'.`);
  hub.setLabels(
    versionId,
    version.labels.filter((other) => other !== label),
  );
  return { status: 204 };
};
