import { z } from "zod";
import { RouterError } from "../core/errors.ts";
import {
  HubName,
  hubPromptName,
  isPromptId,
  type HubPrompt,
  type PromptHub,
  type ResolvedPrompt,
} from "../core/hub-prompt.ts";
import type { HubTemplateFormat } from "../core/hub-template.ts";
import { quote } from "../core/quote.ts";
import { askHub, type HubConnection } from "./hub-request.ts";
import { refuseTools, systemText } from "./system-text.ts";

export interface ArizeHubOptions extends Pick<HubConnection, "fetch" | "timeoutMs"> {
  /** Without `/v2`; it differs by region. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Where a prompt that is named, not given by its id, is looked for; everywhere when absent. */
  readonly spaceId?: string | undefined;
}

const Message = z.object({
  role: z.string(),
  content: z.string().nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
});
const Parameters = z.looseObject({
  tool_config: z.looseObject({ tools: z.array(z.unknown()).nullish() }).nullish(),
});

const PromptWithVersion = z.object({
  id: HubName,
  name: HubName,
  version: z.object({
    id: HubName,
    messages: z.array(Message),
    input_variable_format: z.string(),
    model: z.string().nullish(),
    invocation_params: Parameters.nullish(),
  }),
});

const PromptPage = z.object({
  prompts: z.array(z.object({ id: HubName, name: z.string() })),
  pagination: z.object({ has_more: z.boolean().nullish(), next_cursor: z.string().nullish() }).nullish(),
});

const PAGES_MAX = 20;

/** The prompts of Arize AX, over REST v2 (beta). */
export function arizeHub({ baseUrl, apiKey, spaceId, fetch, timeoutMs }: ArizeHubOptions): PromptHub {
  const connection: HubConnection = {
    hub: "arize",
    baseUrl,
    headers: { authorization: `Bearer ${apiKey}` },
    fetch,
    timeoutMs,
  };
  return {
    resolve: async (wanted) => {
      const id = isPromptId(wanted.prompt) ? wanted.prompt : await idOf(connection, wanted, spaceId);
      const { version, label } = wanted;
      const found = await askHub(
        connection,
        {
          what: hubPromptName(wanted),
          path: `/v2/prompts/${encodeURIComponent(id)}`,
          query: {
            ...(version === undefined ? {} : { version_id: version }),
            ...(label === undefined ? {} : { label }),
          },
          ifAbsent: "Labels are case-sensitive; versions are named by their id.",
        },
        PromptWithVersion,
      );
      if (version !== undefined && found.version.id !== version)
        throw new RouterError("not_found", `arize has no ${hubPromptName(wanted)}. Look up the version's id.`, {
          reason: "unknown_prompt",
        });
      return resolvedOf(found);
    },
  };
}

/** Arize filters by parts of names, so the exact one is looked for among what it lists. */
async function idOf(connection: HubConnection, { prompt }: HubPrompt, spaceId: string | undefined): Promise<string> {
  const ids: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = {
      name: prompt,
      limit: "100",
      ...(spaceId === undefined ? {} : { space_id: spaceId }),
      ...(cursor === undefined ? {} : { cursor }),
    };
    const question = { what: "its prompts", path: "/v2/prompts", query, ifAbsent: "Check SEGUE_ARIZE_URL." };
    const { prompts, pagination } = await askHub(connection, question, PromptPage);
    ids.push(...prompts.flatMap(({ id, name }) => (name === prompt ? [id] : [])));
    const next = pagination?.next_cursor ?? undefined;
    if (next === undefined || next === cursor || pagination?.has_more === false) break;
    cursor = next;
  }
  const [id, ...others] = ids;
  if (id === undefined)
    throw new RouterError(
      "not_found",
      `arize has no prompt named '${prompt}' that the key may read. Names are case-sensitive; check SEGUE_ARIZE_SPACE_ID.`,
      { reason: "unknown_prompt" },
    );
  if (others.length === 0) return id;
  throw new RouterError(
    "invalid_request",
    `arize has ${ids.length} prompts named '${prompt}'. Set SEGUE_ARIZE_SPACE_ID, or write the prompt's id: ${ids.slice(0, 5).join(", ")}.`,
    { reason: "ambiguous_prompt" },
  );
}

function resolvedOf({ id, name, version }: z.infer<typeof PromptWithVersion>): ResolvedPrompt {
  const { tool_config: toolConfig, ...parameters } = version.invocation_params ?? {};
  const calls = version.messages.reduce((sum, { tool_calls }) => sum + (tool_calls?.length ?? 0), 0);
  refuseTools((toolConfig?.tools?.length ?? 0) + calls);
  const messages = version.messages.map(({ role, content }) => ({ role, text: content ?? null }));
  const text = systemText(messages, formatOf(version.input_variable_format));
  const model = version.model === undefined || version.model === "" ? null : version.model;
  return { promptId: id, name, version: version.id, text, model, parameters };
}

/** Arize reads its deprecated `NONE` as an f-string. */
function formatOf(format: string): HubTemplateFormat {
  switch (format.toUpperCase()) {
    case "MUSTACHE":
      return "mustache";
    case "F_STRING":
    case "NONE":
      return "f-string";
    default:
      throw new RouterError(
        "invalid_request",
        `its input variables have the format ${quote(format, 40)}. Make a version with MUSTACHE or F_STRING.`,
        { reason: "prompt_unusable" },
      );
  }
}
