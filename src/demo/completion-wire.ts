import { randomUUID } from "node:crypto";

/** A finished answer, before it has a wire format. */
export interface Completion {
  /** The name that was asked for. */
  readonly model: string;
  /** One text a choice. */
  readonly texts: readonly string[];
  readonly promptCharacters: number;
}

/** A usual rule of thumb; the demo has no tokenizer. */
const CHARACTERS_PER_TOKEN = 4;

const newId = (): string => `chatcmpl-${randomUUID().replaceAll("-", "")}`;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

function usageOf({ texts, promptCharacters }: Completion) {
  const prompt = Math.ceil(promptCharacters / CHARACTERS_PER_TOKEN);
  const completion = texts.reduce((sum, text) => sum + Math.ceil(text.length / CHARACTERS_PER_TOKEN), 0);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** The body of a `chat.completion`. */
export const completionBody = (completion: Completion) => ({
  id: newId(),
  object: "chat.completion",
  created: nowSeconds(),
  model: completion.model,
  choices: completion.texts.map((content, index) => ({
    index,
    message: { role: "assistant", content, refusal: null },
    logprobs: null,
    finish_reason: "stop",
  })),
  usage: usageOf(completion),
});

/** Every `chat.completion.chunk` of a stream: role, pieces and end of each choice, then the usage if it was asked for. */
export function* completionChunks(completion: Completion, includeUsage: boolean) {
  const shared = {
    id: newId(),
    object: "chat.completion.chunk",
    created: nowSeconds(),
    model: completion.model,
    ...(includeUsage && { usage: null }),
  };
  const chunk = (index: number, delta: object, finish: "stop" | null) => ({
    ...shared,
    choices: [{ index, delta, logprobs: null, finish_reason: finish }],
  });
  for (const [index, text] of completion.texts.entries()) {
    yield chunk(index, { role: "assistant", content: "" }, null);
    for (const content of pieces(text)) yield chunk(index, { content }, null);
    yield chunk(index, {}, "stop");
  }
  if (includeUsage) yield { ...shared, choices: [], usage: usageOf(completion) };
}

/** A few words at a time, as tokens would come, but in fewer events. */
const pieces = (text: string): string[] => text.match(/(?:\S+\s*){1,4}|\s+/g) ?? [];

/** The body of `GET /v1/models`. */
export const modelList = (ids: readonly string[]) => ({
  object: "list",
  data: ids.map((id) => ({ id, object: "model", created: 1_678_752_000, owned_by: "segue-demo" })),
});

/** OpenAI's error shape. */
export const errorBody = ({ message, code }: { readonly message: string; readonly code: string | null }) => ({
  error: { message, type: "invalid_request_error", param: null, code },
});
