import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { policySource, readPolicyFiles } from "../../src/stores/policy-files.ts";

const starter = fileURLToPath(new URL("../../policies/", import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "segue-policies-"));
});
afterEach(() => rm(folder, { recursive: true }));

const write = async (name: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(join(folder, name, ".."), { recursive: true });
  await writeFile(join(folder, name), content);
};

const minimal = "policy: chat\nvariants:\n  one: { provider: openai, model: m }\ndefault: one\n";

/** Every fault of the folder as `file:line:column code`, files below the folder. */
async function faultsIn(): Promise<string[]> {
  const { sources } = await readPolicyFiles(folder);
  return sources
    .flatMap(({ faults }) => faults)
    .map(({ file, line, column, code }) => `${file.slice(folder.length + 1)}:${line}:${column} ${code}`);
}

describe("reading a directory of policies", () => {
  test("finds the policies and their prompts", async () => {
    await cp(starter, folder, { recursive: true });
    const { sources, prompts } = await readPolicyFiles(folder);
    expect(sources.map(({ file, document }) => [file, document?.policy])).toEqual([
      [join(folder, "support-chat.yaml"), "support-chat"],
    ]);
    expect(Object.keys(prompts).sort()).toEqual(["support@v1", "support@v2"]);
    expect(prompts["support@v2"]?.file).toBe(join(folder, "prompts/support/v2.md"));
  });

  test("takes .yml too, in order of name, and leaves hidden and other files alone", async () => {
    await write("b.yml", minimal);
    await write("a.yaml", minimal.replace("chat", "first"));
    await write(".hidden.yaml", "[");
    await write("notes.txt", "x");
    await write("prompts/readme.md", "x");
    await write("prompts/support/draft.txt", "x");
    const { sources, prompts } = await readPolicyFiles(folder);
    expect(sources.map(({ document }) => document?.policy)).toEqual(["first", "chat"]);
    expect(prompts).toEqual({});
  });

  test("gives a prompt one text, whatever the editor and the checkout did to its line ends", async () => {
    await write("chat.yaml", minimal);
    await write("prompts/support/v1.md", "one\ntwo");
    await write("prompts/support/v2.md", "\ufeffone\r\ntwo\r\n\r\n");
    const { prompts } = await readPolicyFiles(folder);
    expect(prompts["support@v1"]?.text).toBe("one\ntwo");
    expect(prompts["support@v2"]?.text).toBe("one\ntwo");
  });

  test("reads links that stay inside, as a mounted ConfigMap has them", async () => {
    await write("..data/chat.yaml", minimal);
    await symlink("..data/chat.yaml", join(folder, "chat.yaml"));
    expect(await faultsIn()).toEqual([]);
  });

  test.each<{ because: string; files: Record<string, string | Uint8Array>; faults: string[] }>([
    { because: "there is no policy", files: { "readme.md": "" }, faults: [":1:1 no-policies"] },
    {
      because: "a file is not UTF-8",
      files: { "a.yaml": new Uint8Array([0xff, 0xfe, 0x41, 0x00]) },
      faults: ["a.yaml:1:1 not-utf8"],
    },
    {
      because: "a file is huge",
      files: { "a.yaml": "#".repeat(1024 * 1024 + 1) },
      faults: ["a.yaml:1:1 file-too-large"],
    },
    {
      because: "a prompt is not UTF-8",
      files: { "a.yaml": minimal, "prompts/p/v1.md": new Uint8Array([0xc3, 0x28]) },
      faults: ["prompts/p/v1.md:1:1 not-utf8"],
    },
    {
      because: "no variant could name the prompt",
      files: { "a.yaml": minimal, "prompts/p/V 1.md": "x" },
      faults: ["prompts/p/V 1.md:1:1 prompt-name"],
    },
    { because: "a folder is called like a policy", files: { "a.yaml/x": "" }, faults: ["a.yaml:1:1 unreadable-file"] },
  ])("says so when $because", async ({ files, faults }) => {
    for (const [name, content] of Object.entries(files)) await write(name, content);
    expect(await faultsIn()).toEqual(faults);
  });

  test("says so when the directory is missing or a file", async () => {
    await write("file", "");
    for (const name of ["nowhere", "file"]) {
      const { sources } = await readPolicyFiles(join(folder, name));
      expect(sources.flatMap(({ faults }) => faults)).toMatchObject([{ code: "missing-directory", line: 1 }]);
    }
  });

  test("does not follow a link out of the directory, for a prompt, a folder of prompts or a policy", async () => {
    const outside = await mkdtemp(join(tmpdir(), "segue-outside-"));
    try {
      await writeFile(join(outside, "v1.md"), "secret");
      await write("a.yaml", minimal);
      await mkdir(join(folder, "prompts/linked"), { recursive: true });
      await symlink(join(outside, "v1.md"), join(folder, "prompts/linked/v1.md"));
      await symlink(outside, join(folder, "prompts/folder"));
      await symlink(join(outside, "v1.md"), join(folder, "b.yaml"));
      await symlink(join(folder, "c.yaml"), join(folder, "c.yaml"));
      expect((await readPolicyFiles(folder)).prompts).toEqual({});
      expect(await faultsIn()).toEqual([
        "b.yaml:1:1 outside-directory",
        "c.yaml:1:1 unreadable-file",
        "prompts/folder/v1.md:1:1 outside-directory",
        "prompts/linked/v1.md:1:1 outside-directory",
      ]);
    } finally {
      await rm(outside, { recursive: true });
    }
  });
});

describe("the text of a policy file", () => {
  const faultsOf = (text: string): string[] =>
    policySource("a.yaml", text).faults.map(({ line, column, code }) => `${line}:${column} ${code}`);

  test.each<{ because: string; text: string; faults: string[] }>([
    { because: "it is empty", text: "", faults: ["1:1 wrong-type"] },
    { because: "it is a list", text: "- a\n", faults: ["1:1 wrong-type"] },
    { because: "a bracket is open", text: "policy: a\nvariants: {", faults: ["2:12 yaml-syntax"] },
    { because: "a key is there twice", text: "policy: a\npolicy: b\n", faults: ["2:1 duplicate-key"] },
    { because: "it holds two documents", text: `${minimal}---\n${minimal}`, faults: ["5:1 yaml-syntax"] },
    {
      because: "a tag makes something else",
      text: `${minimal}description: !!binary aGk=\n`,
      faults: ["5:14 yaml-syntax"],
    },
    { because: "it is nested very deeply", text: "[".repeat(20_000), faults: [expect.stringContaining("yaml-syntax")] },
    {
      because: "a merge key would be read as a plain key",
      text: `${minimal}<<: { description: x }\n`,
      faults: ["5:1 unknown-key"],
    },
    { because: "a key is unknown", text: `${minimal}guard:\n  cooldown: 5\n`, faults: ["6:3 unknown-key"] },
    {
      because: "a key is missing",
      text: `${minimal}segments:\n  - id: a\n    when: "true"\n    ladder: [{ variant: one }]\n    why: long enough\n`,
      faults: ["6:5 missing-key"],
    },
    { because: "a value has another type", text: minimal.replace("openai", "5"), faults: ["3:20 wrong-type"] },
    {
      because: "a value is not one of the allowed",
      text: `${minimal}attributes:\n  a: { type: strin }\n`,
      faults: ["6:14 unknown-value"],
    },
    {
      because: "a metric comes from nowhere",
      text: `${minimal}metrics:\n  a: { from: feedbak }\n`,
      faults: ["6:14 unknown-value"],
    },
    {
      because: "a metric does not say from where",
      text: `${minimal}metrics:\n  a: { better: higher }\n`,
      faults: ["6:3 missing-key"],
    },
    {
      because: "a name has capitals",
      text: `${minimal}attributes:\n  Region: { type: string }\n`,
      faults: ["6:3 bad-name"],
    },
    { because: "an id has spaces", text: minimal.replace("chat", "my chat"), faults: ["1:9 bad-name"] },
    {
      because: "a number is out of range",
      text: `${minimal}guard:\n  movesPerHour: -1\n`,
      faults: ["6:17 out-of-range"],
    },
    {
      because: "a default is a list",
      text: `${minimal}attributes:\n  a: { type: string, default: [x] }\n`,
      faults: ["6:22 wrong-type"],
    },
  ])("has a fault with a place when $because", ({ text, faults }) => {
    expect(faultsOf(text).slice(0, 1)).toEqual(faults);
  });

  test("is not expanded without bound", () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 10; i++) {
      const [one, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      bomb.push(`${one}: &${one} [${Array(9).fill(`*${before}`).join(", ")}]`);
    }
    expect(faultsOf(bomb.join("\n"))).toEqual(["1:1 yaml-syntax"]);
  });

  test("means what YAML 1.2 says, even under a directive that says otherwise", () => {
    const { document } = policySource("a.yaml", `%YAML 1.1\n---\n${minimal}description: no\n`);
    expect(document?.description).toBe("no");
  });

  test("suggests the near key, and lists those allowed at that place", () => {
    const { faults } = policySource(
      "a.yaml",
      `${minimal}metrics:\n  a: { from: latency, slowerThan: 5, slowerThanMs: 5 }\n`,
    );
    expect(faults).toMatchObject([
      {
        message: 'unknown key "slowerThan" in metrics.a',
        fix: "Did you mean 'slowerThanMs'? The keys allowed here are: from, slowerThanMs, description.",
      },
    ]);
  });

  test("names an item of a list by its id", () => {
    const { faults } = policySource(
      "a.yaml",
      `${minimal}segments: [{ id: billing, when: "true", ladder: [{ variant: one }], why: long enough }]\n`,
    );
    expect(faults).toMatchObject([
      { message: "segments.billing has no 'owner'", fix: "Add 'owner' to segments.billing." },
    ]);
  });

  test("cannot reach the terminal through a message", () => {
    const { faults } = policySource("a.yaml", `${minimal}"\\e[31m\\u009b\\u202eevil": 1\n`);
    expect(faults[0]?.message).toBe('unknown key "\\u001b[31m\\u009b\\u202eevil" in the policy');
  });

  test("reports at most a hundred faults", () => {
    const keys = Array.from({ length: 500 }, (_, i) => `key${i}: 1\n`).join("");
    expect(faultsOf(minimal + keys)).toHaveLength(100);
  });
});

describe("a place in a policy file", () => {
  const text = [
    "policy: chat",
    "segments:",
    "  - id: a",
    "    when: >-",
    "      region == 1",
    "    ladder:",
    "      - variant: one",
    "guard: &g",
    "  movesPerHour: 1",
    "canary: *g",
  ].join("\n");
  const { locate } = policySource("a.yaml", text);

  test.each<{
    because: string;
    path: (string | number)[];
    within?: { key: true } | { offset: number };
    at: [number, number];
  }>([
    { because: "a value stands where it begins", path: ["policy"], at: [1, 9] },
    { because: "its key can be asked for", path: ["policy"], within: { key: true }, at: [1, 1] },
    { because: "a map stands at its key", path: ["segments", 0, "ladder"], at: [6, 5] },
    { because: "an item stands where it begins", path: ["segments", 0], at: [3, 5] },
    { because: "what is missing stands at its nearest parent", path: ["segments", 0, "owner"], at: [3, 5] },
    { because: "what is missing from the list does too", path: ["segments", 7, "owner"], at: [2, 1] },
    { because: "a folded line is followed inside", path: ["segments", 0, "when"], within: { offset: 7 }, at: [5, 14] },
    { because: "an alias leads to what it names", path: ["canary", "movesPerHour"], at: [9, 17] },
    { because: "nothing of it is there", path: ["nowhere", 1], at: [1, 1] },
  ])("is told: $because", ({ path, within, at }) => {
    const { line, column } = locate(path, within);
    expect([line, column]).toEqual(at);
  });
});
