import { Agent } from "undici";

/** Of a collector's answer; what comes after is not read. */
const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * `fetch`, as far as spans are sent by it: Node's own copies each body twice and makes streams of both sides, which costs as much as
 * encoding what is in it. Redirects are not followed.
 */
export function undiciPost(agent = new Agent({ connections: 2 })): typeof fetch {
  return async (target, init) => {
    const { origin, pathname, search } = new URL(target instanceof Request ? target.url : target);
    const { statusCode, headers, body } = await agent.request({
      origin,
      path: pathname + search,
      method: "POST",
      headers: init?.headers as Record<string, string>,
      body: init?.body as Uint8Array,
      signal: init?.signal ?? null,
    });
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      chunks.push(chunk);
      length += chunk.length;
      // Leaving the loop destroys what is left.
      if (length > ANSWER_BYTES_MAX) break;
    }
    const fields = Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    );
    const isEmpty = statusCode === 204 || statusCode === 205 || statusCode === 304;
    return new Response(isEmpty ? null : new Blob(chunks), { status: statusCode, headers: fields });
  };
}
