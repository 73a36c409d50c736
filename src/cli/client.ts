import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Config } from "../config.ts";
import { RouterError } from "../core/errors.ts";

/** Calls a running server's control plane. Resolves to the answer's JSON. */
export type Client = (method: "GET" | "POST", path: string, body?: unknown) => Promise<unknown>;

/** The file in which `segue init` leaves the operator's key. */
export const operatorKeyFile = (config: Config): string => join(config.SEGUE_DATA, "operator.key");

const ErrorBody = z.object({ error: z.object({ message: z.string(), code: z.string().nullable().optional() }) });

/** @throws RouterError when there is no key, no server, or the server refuses */
export function createClient(config: Config): Client {
  const url = (config.SEGUE_URL ?? `http://${config.SEGUE_HOST}:${config.SEGUE_PORT}`).replace(/\/$/, "");
  const key = config.SEGUE_KEY ?? readOperatorKey(config);
  return async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new RouterError(
        "unavailable",
        `No server answers at ${url}. Start one with 'segue serve', or set SEGUE_URL.`,
        { cause },
      );
    });
    const text = await response.text();
    const answer = parseJson(text);
    if (response.ok && answer !== undefined) return answer;
    const failure = ErrorBody.safeParse(answer);
    if (!failure.success)
      throw new RouterError(
        "invalid_request",
        `${url} did not answer as Segue does: ${text.slice(0, 200)} (HTTP ${response.status})`,
        { reason: "unexpected_answer" },
      );
    const { message, code } = failure.data.error;
    throw new RouterError(
      response.status === 409 ? "conflict" : "invalid_request",
      `${message} (HTTP ${response.status})`,
      code ? { reason: code } : {},
    );
  };
}

function readOperatorKey(config: Config): string {
  const file = operatorKeyFile(config);
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new RouterError(
      "unauthenticated",
      `No key: set SEGUE_KEY, or run 'segue init', which leaves the operator's key in ${file}.`,
      { cause },
    );
  }
}

/** The value, or undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
