import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import { HubName, hubPromptName, type PromptHub, type ResolvedPrompt } from "../core/hub-prompt.ts";
import type { HubTemplateFormat } from "../core/hub-template.ts";
import { quote } from "../core/quote.ts";
import { askHub, type HubConnection } from "./hub-request.ts";
import { refuseTools, systemText } from "./system-text.ts";

export interface PhoenixHubOptions extends Pick<HubConnection, "fetch" | "timeoutMs"> {
  readonly baseUrl: string;
  /** A key of a user who may read; needed where Phoenix has authentication on. */
  readonly apiKey?: string | undefined;
}

const Part = z.looseObject({ type: z.string(), text: z.string().optional() });
const Version = z.object({
  id: HubName,
  model_name: z.string().nullish(),
  template: z.discriminatedUnion("type", [
    z.object({
      type: z.literal("chat"),
      messages: z.array(z.object({ role: z.string(), content: z.union([z.string(), z.array(Part)]) })),
    }),
    z.object({ type: z.literal("string"), template: z.string() }),
  ]),
  template_format: z.string(),
  invocation_parameters: z.looseObject({ type: z.string() }).nullish(),
  tools: z.looseObject({ tools: z.array(z.unknown()) }).nullish(),
  response_format: z.unknown().optional(),
});
type Version = z.infer<typeof Version>;

const Tagged = z.object({ data: Version });
// Other versions of the prompt need not be of a form that we know.
const VersionPage = z.object({
  data: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().nullish(),
});

const PAGES_MAX = 20;

/** The prompts of Phoenix, over its REST API. */
export function phoenixHub({ baseUrl, apiKey, fetch, timeoutMs }: PhoenixHubOptions): PromptHub {
  const connection: HubConnection = {
    hub: "phoenix",
    baseUrl,
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    fetch,
    timeoutMs,
  };
  return {
    resolve: async (wanted) => {
      const { prompt, label, version = "" } = wanted;
      const path = `/v1/prompts/${encodeURIComponent(prompt)}`;
      const what = hubPromptName(wanted);
      if (label === undefined) {
        await requireOwn(connection, { path, what, version });
        const question = { what, path: `/v1/prompt_versions/${encodeURIComponent(version)}`, ifAbsent: ABSENT };
        return resolvedOf(prompt, (await askHub(connection, question, Tagged)).data);
      }
      const question = { what, path: `${path}/tags/${encodeURIComponent(label)}`, ifAbsent: ABSENT };
      return resolvedOf(prompt, (await askHub(connection, question, Tagged)).data);
    },
  };
}

const ABSENT = "Check the prompt's name, and its tag or the version's id.";

/** A version's own address does not tell whose it is, so it must be among the prompt's. */
async function requireOwn(
  connection: HubConnection,
  { path, what, version }: { readonly path: string; readonly what: string; readonly version: string },
): Promise<void> {
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = { limit: "100", ...(cursor === undefined ? {} : { cursor }) };
    const question = { what, path: `${path}/versions`, query, ifAbsent: ABSENT };
    const { data, next_cursor: next } = await askHub(connection, question, VersionPage);
    if (data.some(({ id }) => id === version)) return;
    if (next === undefined || next === null || next === cursor) break;
    cursor = next;
  }
  throw new RouterError("not_found", `phoenix has no ${what}. ${ABSENT}`, { reason: "unknown_prompt" });
}

/** Phoenix names the prompt in the question only. */
function resolvedOf(prompt: string, version: Version): ResolvedPrompt {
  refuseTools(version.tools?.tools.length ?? 0);
  const { template, model_name: model } = version;
  const messages =
    template.type === "string"
      ? [{ role: "system", text: template.template }]
      : template.messages.map(({ role, content }) => ({ role, text: textOf(content) }));
  return {
    promptId: prompt,
    name: prompt,
    version: version.id,
    text: systemText(messages, formatOf(version.template_format)),
    model: model === undefined || model === "" ? null : model,
    parameters: parametersOf(version),
  };
}

/** Null for parts that are not text. */
function textOf(content: string | readonly z.infer<typeof Part>[]): string | null {
  if (typeof content === "string") return content;
  const texts = content.flatMap(({ type, text }) => (type === "text" && text !== undefined ? [text] : []));
  return texts.length === content.length ? texts.join("\n") : null;
}

/** Under the name of their vendor, as `{type: "openai", openai: {…}}`. */
function parametersOf({ invocation_parameters: given, response_format: format }: Version): Record<string, unknown> {
  const own: unknown = given === undefined || given === null ? undefined : given[given.type];
  const parsed = z.record(z.string(), z.unknown()).safeParse(own);
  return {
    ...(parsed.success ? parsed.data : {}),
    ...(format === undefined || format === null ? {} : { response_format: format }),
  };
}

function formatOf(format: string): HubTemplateFormat {
  switch (format.toUpperCase()) {
    case "MUSTACHE":
      return "mustache";
    case "F_STRING":
      return "f-string";
    case "NONE":
      return "literal";
    default:
      throw new RouterError(
        "invalid_request",
        `its template has the format ${quote(format, 40)}. Make a version with MUSTACHE, F_STRING or NONE.`,
        { reason: "prompt_unusable" },
      );
  }
}
