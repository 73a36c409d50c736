import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureSecretFile, findSecretFile } from "../../src/stores/secret-file.ts";
import { temporaryFolder } from "../contracts/temporary-folder.ts";

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, "data", "secret");
});
afterEach(() => folder.remove());

test("a secret is made once, for its owner only, and looking for one makes none", () => {
  expect(findSecretFile(file)).toBeNull();
  const secret = ensureSecretFile(file);
  expect(secret).toMatch(/^[0-9a-f]{64}$/);
  expect([ensureSecretFile(file), findSecretFile(file)]).toEqual([secret, secret]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(dirname(file))).toEqual(["secret"]);
});

test.each(["", "\n", "x".repeat(31), `${" ".repeat(64)}short`])(
  "a file that holds %j is refused by name, with what to do, and left as it is",
  (text) => {
    mkdirSync(dirname(file));
    writeFileSync(file, text);
    for (const read of [ensureSecretFile, findSecretFile])
      expect(() => read(file)).toThrow(
        expect.objectContaining({ reason: "bad_secret", message: expect.stringMatching(/secret.*remove it/) }),
      );
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);

test("processes that make one at the same time agree on it", async () => {
  const module = new URL("../../src/stores/secret-file.ts", import.meta.url).href;
  const program = `import { ensureSecretFile } from ${JSON.stringify(module)}; process.stdout.write(ensureSecretFile(${JSON.stringify(file)}));`;
  const run = () => promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  const printed = await Promise.all([run(), run(), run()]);
  expect(new Set(printed.map(({ stdout }) => stdout))).toEqual(new Set([readFileSync(file, "utf8")]));
});
