import { z } from "zod";
import { globalId } from "../vendor/global-id.ts";
import { json, Refusal, text, type Reply } from "../vendor/reply.ts";
import { parsed } from "./span-annotations.ts";

const Identifier = z.string().regex(/^[a-z0-9]([_a-z0-9-]*[a-z0-9])?$/);
const Version = z.object({
  description: z.string().nullish(),
  model_provider: z.string(),
  model_name: z.string(),
  template: z.discriminatedUnion("type", [
    z.object({
      type: z.literal("chat"),
      messages: z.array(
        z.object({
          role: z.enum(["user", "assistant", "model", "ai", "tool", "system", "developer"]),
          content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
        }),
      ),
    }),
    z.object({ type: z.literal("string"), template: z.string() }),
  ]),
  template_type: z.enum(["CHAT", "STR"]),
  template_format: z.enum(["MUSTACHE", "F_STRING", "NONE"]),
  invocation_parameters: z.looseObject({ type: z.string() }),
  tools: z.unknown().optional(),
  response_format: z.unknown().optional(),
});
const CreatePrompt = z.object({
  prompt: z.object({ name: Identifier, description: z.string().nullish() }),
  version: Version,
});
const Tag = z.object({ name: Identifier, description: z.string().nullish() });

type PromptVersion = z.infer<typeof Version> & { readonly id: string };
interface Prompt {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly metadata: object;
  readonly source_prompt_id: null;
}

const notFound = (what: string) => new Refusal(text(404, `${what} not found`));

/** Phoenix's prompts: versions never change, a tag is on one version of a prompt. */
export function phoenixPrompts() {
  const prompts: Prompt[] = [];
  const versions: { readonly prompt: Prompt; readonly version: PromptVersion; readonly tags: Set<string> }[] = [];
  const promptOf = (identifier: string): Prompt => {
    const found = prompts.find(({ id, name }) => id === identifier || name === identifier);
    if (found === undefined) throw notFound("Prompt");
    return found;
  };
  /** Newest first. */
  const versionsOf = (identifier: string) => {
    const prompt = promptOf(identifier);
    return versions.filter((one) => one.prompt === prompt).toReversed();
  };
  const entryOf = (versionId: string) => {
    const found = versions.find(({ version }) => version.id === versionId);
    if (found === undefined) throw notFound("Prompt version");
    return found;
  };
  return {
    prompts,
    versionsOf,
    versionOf: (versionId: string): PromptVersion => entryOf(versionId).version,
    /** Adds a version, and the prompt with its first one. @returns the version */
    add(name: string, version: z.input<typeof Version>, description: string | null = null): PromptVersion {
      let prompt = prompts.find((one) => one.name === name);
      if (prompt === undefined) {
        prompt = {
          id: globalId("Prompt", prompts.length + 1),
          name,
          description,
          metadata: {},
          source_prompt_id: null,
        };
        prompts.push(prompt);
      }
      const created = { ...Version.parse(version), id: globalId("PromptVersion", versions.length + 1) };
      versions.push({ prompt, version: created, tags: new Set() });
      return created;
    },
    /** Puts a tag on a version, and takes it from the one that had it. */
    tag(versionId: string, name: string): void {
      const entry = entryOf(versionId);
      for (const other of versions) if (other.prompt === entry.prompt) other.tags.delete(name);
      entry.tags.add(name);
    },
    untag: (versionId: string, name: string): void => {
      if (!entryOf(versionId).tags.delete(name)) throw notFound("Tag");
    },
    tagsOf: (versionId: string): readonly string[] => [...entryOf(versionId).tags],
    tagged: (identifier: string, tag: string): PromptVersion => {
      const found = versionsOf(identifier).find(({ tags }) => tags.has(tag));
      if (found === undefined) throw notFound("Prompt version");
      return found.version;
    },
  };
}
export type PhoenixPrompts = ReturnType<typeof phoenixPrompts>;

/** Answers what begins with `/v1/prompts` or `/v1/prompt_versions`; null where there is no such route. */
export function answerPrompts(hub: PhoenixPrompts, method: string, path: string, body: Buffer): Reply | null {
  const [, root, id = "", part, name = ""] =
    /^\/v1\/(prompts|prompt_versions)(?:\/([^/]+))?(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
  const route = `${method} ${root ?? ""}${id === "" ? "" : "/*"}${part === undefined ? "" : `/${part}`}${name === "" ? "" : "/*"}`;
  const [identifier, last] = [decodeURIComponent(id), decodeURIComponent(name)];
  switch (route) {
    case "GET prompts":
      return json({ data: hub.prompts.toReversed(), next_cursor: null });
    case "POST prompts": {
      const { prompt, version } = parsed(CreatePrompt, body);
      return json({ data: hub.add(prompt.name, version, prompt.description ?? null) }, 201);
    }
    case "GET prompts/*/latest":
      return json({ data: hub.versionsOf(identifier)[0]?.version });
    case "GET prompts/*/versions":
      return json({ data: hub.versionsOf(identifier).map(({ version }) => version), next_cursor: null });
    case "GET prompts/*/tags/*":
      return json({ data: hub.tagged(identifier, last) });
    case "GET prompt_versions/*":
      return json({ data: hub.versionOf(identifier) });
    case "GET prompt_versions/*/tags": {
      const tags = hub.tagsOf(identifier);
      return json({
        data: tags.map((tag, at) => ({ id: globalId("PromptVersionTag", at + 1), name: tag })),
        next_cursor: null,
      });
    }
    case "POST prompt_versions/*/tags":
      hub.tag(identifier, parsed(Tag, body).name);
      return { status: 204 };
    case "DELETE prompt_versions/*/tags/*":
      hub.untag(identifier, last);
      return { status: 204 };
    default:
      return null;
  }
}
