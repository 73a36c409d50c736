import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commandContext } from "../../src/cli/context.ts";
import { reportCommand } from "../../src/cli/report-command.ts";
import { readConfig } from "../../src/config.ts";
import { readReport } from "../../src/reports/read-report.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";
import { madeUpDay } from "./report-world.ts";

let folder: ReturnType<typeof temporaryFolder>;
let server: Server;
let asked: string[] = [];
beforeEach(async () => {
  folder = temporaryFolder();
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const { searchParams } = new URL(request.url ?? "", "http://localhost");
    void readReport(madeUpDay(), {
      since: searchParams.get("since") ?? "",
      until: searchParams.get("until") ?? undefined,
      format: "json",
      top: Number(searchParams.get("top") ?? Infinity),
      maySee: () => true,
      seesAll: true,
    }).then(({ text }) => response.end(text));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  folder.remove();
  await new Promise((resolve) => server.close(resolve));
});

/** What `segue report …` prints. */
async function run(args: readonly string[], json = false): Promise<string> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = readConfig({ SEGUE_URL: url, SEGUE_KEY: "segue_aliceskey1_secretsecretsecretsecret" });
  let printed = "";
  const output = {
    json,
    result: (value: unknown, text: () => string) => void (printed += json ? JSON.stringify(value) : text()),
    progress: () => undefined,
  };
  const command = reportCommand(
    commandContext(
      () => config,
      () => output,
    ),
  );
  await command.exitOverride().parseAsync(args, { from: "user" });
  return printed;
}

describe("segue report segments", () => {
  test("prints Markdown of the last day, the worst segments first", async () => {
    const printed = await run(["segments"]);
    expect(printed).toMatch(/^# Segments\n/);
    expect(printed.indexOf("### chat/europe")).toBeLessThan(printed.indexOf("### chat/asia"));
    expect(asked).toEqual(["/api/reports/segments?since=24h&format=json&top=20"]);
  });

  test("asks the server for what was asked of it", async () => {
    await run(["segments", "--since", "7d", "--until", "2026-03-01T00:00:00Z", "--all"]);
    expect(asked).toEqual(["/api/reports/segments?since=7d&format=json&until=2026-03-01T00%3A00%3A00Z&all=true"]);
  });

  test("prints one JSON object with --json, whatever is asked", async () => {
    expect(JSON.parse(await run(["segments"], true))).toMatchObject({
      version: 1,
      segments: [{ segment: "europe" }, {}, {}, {}, {}, {}, {}, {}],
    });
    expect(JSON.parse(await run(["segments", "--format", "html"], true))).toMatchObject({
      format: "html",
      text: expect.stringMatching(/^<!doctype html>/),
    });
  });

  test.each(["html", "md", "json"] as const)("writes a file of %s, and nothing beside it", async (format) => {
    const file = join(folder.path, "out");
    await run(["segments", "--out", file]);
    expect(await run(["segments", "--format", format, "--out", file])).toBe(`Written to ${file}.`);
    expect(readdirSync(folder.path)).toEqual(["out"]);
    const begins = { html: "<!doctype html>", md: "# Segments", json: '{"version":1' }[format];
    expect(readFileSync(file, "utf8").slice(0, begins.length)).toBe(begins);
  });

  test.each(["0", "-1", "many", "1e3"])("refuses --top %s before it asks anybody", async (top) => {
    await expect(run(["segments", "--top", top])).rejects.toThrow(/--top takes a number/);
    expect(asked).toEqual([]);
  });
});
