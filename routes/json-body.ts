import type { Context } from "hono";
import type { z } from "zod";
import { RouterError } from "../src/core/errors.ts";
import { isNestedDeeper, NESTING_MAX } from "../src/gateway/nesting.ts";
import { joined } from "../src/gateway/read-bounded.ts";
import { jsonFault } from "./json-fault.ts";

export const BODY_BYTES_MAX = 10 * 1024 * 1024;

/**
 * The request's body as a JSON object.
 * @throws RouterError `payload_too_large`, or `invalid_request` that says where the text stops being JSON or that it
 *   is nested too deep
 */
export async function jsonObject(c: Context, bytesMax: number = BODY_BYTES_MAX): Promise<Record<string, unknown>> {
  const text = decoded(await readBody(c, bytesMax));
  if (isNestedDeeper(text, NESTING_MAX))
    throw new RouterError("invalid_request", `The request body is nested deeper than ${NESTING_MAX} levels.`, {
      reason: "too_deep",
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notJson(text, cause);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw refuse(
      `The request body must be a JSON object, got ${Array.isArray(value) ? "an array" : JSON.stringify(value).slice(0, 40)}.`,
    );
  return value as Record<string, unknown>;
}

/** The request's body by its schema. Throws as `jsonObject` and `parsed` do. */
export const jsonBody = async <T>(c: Context, schema: z.ZodType<T>): Promise<T> => parsed(schema, await jsonObject(c));

/** Throws `RouterError` `invalid_request` naming the first field that is wrong. */
export function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.code === "unrecognized_keys" ? [...issue.path, issue.keys[0] ?? ""] : (issue?.path ?? []);
  const param = path.map(String).join(".");
  const problem = issue?.code === "unrecognized_keys" ? "unknown field" : (issue?.message ?? "invalid");
  throw new RouterError(
    "invalid_request",
    param === "" ? `The request is invalid: ${problem}.` : `'${param.slice(0, 80)}' is invalid: ${problem}.`,
    { ...(param === "" ? {} : { param }), reason: "invalid_field" },
  );
}

/** Counts while it reads: a `content-length` may be absent or wrong, so it only ever refuses early. */
async function readBody(c: Context, bytesMax: number): Promise<Uint8Array> {
  const declared = c.req.header("content-length");
  if (declared !== undefined && Number(declared) > bytesMax) throw tooLarge(bytesMax);
  try {
    if (declared !== undefined) {
      // Hosts end a body at its declared length, so this stays within the limit; it is several times faster than a stream.
      const whole = new Uint8Array(await c.req.raw.arrayBuffer());
      if (whole.length > bytesMax) throw tooLarge(bytesMax);
      return whole;
    }
    return await readStream(c.req.raw.body, bytesMax);
  } catch (cause) {
    if (cause instanceof RouterError) throw cause;
    throw new RouterError("invalid_request", "The request body broke off.", { reason: "body_incomplete", cause });
  }
}

async function readStream(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    size += value.length;
    if (size > bytesMax) {
      await reader?.cancel();
      throw tooLarge(bytesMax);
    }
    chunks.push(value);
  }
  return joined(chunks, size);
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse("The request body is not valid UTF-8.", cause);
  }
}

function notJson(text: string, cause: unknown): RouterError {
  const fault = jsonFault(text);
  if (text.trim() === "") return refuse("The request body is empty: send a JSON object.", cause);
  if (fault === null) return refuse("The request body is not valid JSON.", cause);
  const what = fault.at >= text.length ? "it ends too early" : `unexpected ${JSON.stringify(text[fault.at])}`;
  return refuse(
    `The request body is not valid JSON: ${what} at position ${fault.at} (line ${fault.line}, column ${fault.column}).`,
    cause,
  );
}

const refuse = (message: string, cause?: unknown): RouterError =>
  new RouterError("invalid_request", message, { reason: "invalid_json", cause });

const tooLarge = (bytesMax: number): RouterError =>
  new RouterError("payload_too_large", `The request body is larger than ${bytesMax} bytes.`, {
    reason: "request_too_large",
  });
