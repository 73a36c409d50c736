import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createClient } from "../../src/cli/client.ts";
import { readConfig } from "../../src/config.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** A server that answers every request alike, and remembers the last one. */
async function answering(status: number, body: string) {
  const seen = { key: "", method: "", url: "", body: "" };
  const server: Server = createServer((request, response) => {
    const { method, url } = request;
    Object.assign(seen, { key: request.headers.authorization, method, url });
    request.on("data", (chunk: Buffer) => (seen.body += chunk.toString()));
    request.on("end", () => response.writeHead(status, { "content-type": "application/json" }).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const client = (url: string, extra: Readonly<Record<string, string>> = { SEGUE_KEY: "key" }) =>
  createClient(readConfig({ SEGUE_URL: url, ...extra }));

test("sends the key and the body, and gives back the answer's JSON", async () => {
  const { url, seen } = await answering(200, '{"ok":true}');
  expect(await client(`${url}/`)("POST", "/api/freeze", { reason: "x" })).toEqual({ ok: true });
  expect(seen).toEqual({ key: "Bearer key", method: "POST", url: "/api/freeze", body: '{"reason":"x"}' });
});

test("takes the operator's key from the data directory when none is in the environment", async () => {
  const { url, seen } = await answering(200, "{}");
  const folder = temporaryFolder();
  cleanups.push(folder.remove);
  mkdirSync(folder.path, { recursive: true });
  writeFileSync(join(folder.path, "operator.key"), "from-file\n");
  await client(url, { SEGUE_DATA: folder.path })("GET", "/");
  expect(seen.key).toBe("Bearer from-file");
});

test("without any key it says how to get one", () => {
  const folder = temporaryFolder();
  cleanups.push(folder.remove);
  expect(() => client("http://127.0.0.1:1", { SEGUE_DATA: folder.path })).toThrow(/SEGUE_KEY.*segue init/);
});

test("a refusal keeps the server's own code and message", async () => {
  const { url } = await answering(409, '{"error":{"message":"Too late.","code":"expired"}}');
  await expect(client(url)("POST", "/x")).rejects.toMatchObject({
    code: "conflict",
    reason: "expired",
    message: "Too late. (HTTP 409)",
  });
});

test("an answer that is not Segue's names the URL that was asked", async () => {
  const { url } = await answering(502, "<html>Bad gateway</html>");
  await expect(client(url)("GET", "/x")).rejects.toMatchObject({
    reason: "unexpected_answer",
    message: `${url} did not answer as Segue does: <html>Bad gateway</html> (HTTP 502)`,
  });
});

test("where nothing listens it says how to start a server", async () => {
  await expect(client("http://127.0.0.1:1")("GET", "/x")).rejects.toThrow(
    "No server answers at http://127.0.0.1:1. Start one with 'segue serve', or set SEGUE_URL.",
  );
});
