import { z } from "zod";
import { problem, Refusal } from "../vendor/reply.ts";

const Query = z.object({
  limit: z.coerce.number().int().min(1).optional(),
  cursor: z.coerce.number().int().min(0).optional(),
});

/** Cuts a page out of a list by `limit` and `cursor`, as REST v2 does. 422 where they are not understood. */
export function pageOf<T>(list: readonly T[], query: URLSearchParams, { max, usual }: { max: number; usual: number }) {
  const parsed = Query.safeParse(Object.fromEntries(query));
  if (!parsed.success) throw new Refusal(problem(422, "Unprocessable Entity", z.prettifyError(parsed.error)));
  const from = parsed.data.cursor ?? 0;
  const to = from + Math.min(max, parsed.data.limit ?? usual);
  const more = to < list.length;
  const pagination = { has_more: more, ...(more ? { next_cursor: String(to) } : {}) };
  return { items: list.slice(from, to), pagination };
}

/** Parses a JSON body; 400 where it is no JSON, 422 where it is not what the endpoint takes. */
export function bodyOf<T>(schema: z.ZodType<T>, body: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    throw new Refusal(problem(400, "Bad Request", "The body is not JSON."));
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Refusal(problem(422, "Unprocessable Entity", z.prettifyError(parsed.error)));
}

/** Keeps what a name filter asks for: a part of the name, whatever its case. */
export const nameFilter = (query: URLSearchParams): ((one: { readonly name: string }) => boolean) => {
  const part = query.get("name")?.toLowerCase() ?? "";
  return ({ name }) => name.toLowerCase().includes(part);
};
