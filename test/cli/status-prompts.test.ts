import { expect, test } from "vitest";
import type { Client } from "../../src/cli/client.ts";
import { statusCommand } from "../../src/cli/read-commands.ts";

const proposal = {
  policy: "chat",
  variant: "one",
  hub: "arize",
  prompt: "support",
  label: "production",
  version: "v4",
  digest: "0".repeat(64),
  at: 5000,
};

/** What `segue status` prints of a table; the server has no signals. */
async function printed(table: object): Promise<string> {
  let shown = "";
  const client: Client = async (_method, path) =>
    path === "/api/table" ? { revision: 7, isCurrent: true, segments: [], ...table } : { signals: [], next: null };
  const output = {
    json: false,
    result: (_value: unknown, text: () => string) => void (shown = text()),
    progress: () => undefined,
  };
  const unused = () => expect.unreachable();
  await statusCommand({ config: unused, output: () => output, client: () => client }).parseAsync([], { from: "user" });
  return shown;
}

test("status has a line for each label that is on a text which is not published", async () => {
  const lines = (await printed({ promptProposals: [proposal, { ...proposal, policy: "sales", hub: "phoenix" }] }))
    .split("\n")
    .filter((line) => line.includes("moved"));
  expect(lines).toEqual([
    "chat: label 'production' of arize prompt 'support' moved to version 'v4', which is not published; variant 'one' serves what it did",
    "sales: label 'production' of phoenix prompt 'support' moved to version 'v4', which is not published; variant 'one' serves what it did",
  ]);
});

test.each([{ table: { promptProposals: [] } }, { table: {} }])(
  "status says nothing of labels where none moved, or an older server does not tell: $table",
  async ({ table }) => {
    const text = await printed(table);
    expect(text).toContain("revision 7");
    expect(text).not.toContain("moved");
  },
);
