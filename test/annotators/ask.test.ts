import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ask } from "../../src/annotators/ask.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Answers with this status, and never stops. @returns its URL, and what it could write before nobody read any more */
async function endless(status: number) {
  const written = Promise.withResolvers<number>();
  const server = createServer((_, response) => {
    const chunk = Buffer.alloc(256 * 1024, "a");
    let bytes = 0;
    response.statusCode = status;
    response.on("close", () => written.resolve(bytes));
    const write = (): void => {
      // As much as a reader that holds everything would take within a test, and then an end.
      if (bytes > 512 * 1024 * 1024) return void response.end();
      bytes += chunk.length;
      if (response.write(chunk)) setImmediate(write);
      else response.once("drain", write);
    };
    write();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, written: written.promise };
}

const clock = { now: () => 0 };

test.each([
  { status: 200, kind: "unavailable", because: "what it says cannot be relied on" },
  { status: 400, kind: "refused", because: "its status says enough" },
])("an answer of status $status without an end is given up after a megabyte, as $kind: $because", async (given) => {
  const { url, written } = await endless(given.status);
  const answer = await ask({ fetch, clock }, { method: "POST", url, headers: {}, body: {} });
  expect(answer.kind).toBe(given.kind);
  expect(JSON.stringify(answer).length).toBeLessThan(400);
  expect(await written).toBeLessThan(64 * 1024 * 1024);
});
