import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const sources = globSync(["src/**/*.ts", "routes/**/*.ts"], { cwd: root })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => !file.endsWith(".d.ts"))
  .sort();

interface Import {
  /** The file that imports. */
  readonly by: string;
  /** A file of the project by its path, or a package or module of the host by its name. */
  readonly of: string;
  /** True when only types are imported, which are gone when the program runs. */
  readonly isType: boolean;
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:[\w*{}\s,]+?\s+from\s+)?"([^"]+)"/gm;
const CALL = /\bimport\(\s*"([^"]+)"/g;

/** The imports of a text, and its exports from elsewhere. Comments and strings do not begin a line with `import`. */
function importsIn(by: string, text: string): Import[] {
  const to = (specifier: string) => (specifier.startsWith(".") ? join(dirname(by), specifier) : specifier);
  const statements = [...text.matchAll(STATEMENT)].map(([, type, specifier = ""]) => ({
    by,
    of: to(specifier),
    isType: type !== undefined,
  }));
  const calls = [...text.matchAll(CALL)].map(([, specifier = ""]) => ({ by, of: to(specifier), isType: false }));
  return [...statements, ...calls];
}

const imports = sources.flatMap((file) => importsIn(file, readFileSync(join(root, file), "utf8")));
const isOurs = (of: string): boolean => /^(src|routes|dist)\//.test(of);
const shown = ({ by, of }: Import): string => `${by} imports ${of}`;

/** Everything that runs because `entry` is imported, by the import that leads to it. */
function reachedFrom(entry: string): Import[] {
  const reached: Import[] = [];
  const known = new Set([entry]);
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const found of imports.filter(({ by, isType }) => by === file && !isType)) {
      reached.push(found);
      if (!isOurs(found.of) || known.has(found.of)) continue;
      known.add(found.of);
      open.push(found.of);
    }
  }
  return reached;
}

/** Imports by files under `from` of what none of `allowed` names: a path, a folder that ends with `/`, or a package. */
const foreign = (from: readonly string[], allowed: readonly string[]): string[] =>
  imports
    .filter(({ by }) => from.some((start) => by.startsWith(start)))
    .filter(({ of }) => !allowed.some((one) => of === one || of.startsWith(one.endsWith("/") ? one : `${one}/`)))
    .map(shown);

describe("the reading of imports", () => {
  test("sees every form that the sources use", () => {
    const text = `
import { a } from "./a.ts";
import type { B } from "../core/b.ts";
import {
  c,
  type D,
} from "pack";
import * as e from "node:e";
import "./effect.ts";
import f, { g } from "f/sub";
export { h } from "./h.ts";
export * from "./i.ts";
export const j = "import";
const lazy = await import("./lazy.ts");
`;
    expect(importsIn("src/x/x.ts", text).map(({ of, isType }) => (isType ? `type ${of}` : of))).toEqual([
      "src/x/a.ts",
      "type src/core/b.ts",
      "pack",
      "node:e",
      "src/x/effect.ts",
      "f/sub",
      "src/x/h.ts",
      "src/x/i.ts",
      "src/x/lazy.ts",
    ]);
  });

  test("resolves every import of ours to a file", () => {
    const missing = imports.filter(({ of }) => isOurs(of) && !of.startsWith("dist/") && !existsSync(join(root, of)));
    expect(missing.map(shown)).toEqual([]);
    expect(imports.length).toBeGreaterThan(300);
  });
});

describe("the Worker", () => {
  const reached = reachedFrom("src/worker.ts");

  test("reaches the gateway and its routes", () => {
    const files = reached.map(({ of }) => of);
    for (const file of ["routes/app.ts", "src/gateway/serve-model.ts", "src/core/table.ts", "src/providers/openai.ts"])
      expect(files).toContain(file);
  });

  test("reaches nothing of Node, and no vendor that needs it", () => {
    const banned = ["ioredis", "launchdarkly-node-server-sdk", "undici", "@hono/node-server", "yaml", "commander"];
    const isBanned = (of: string): boolean =>
      of.startsWith("node:") || banned.some((name) => of === name || of.startsWith(`${name}/`));
    expect(reached.filter(({ of }) => isBanned(of)).map(shown)).toEqual([]);
  });

  test("reaches no package but these", () => {
    const packages = new Set(reached.map(({ of }) => of).filter((of) => !isOurs(of)));
    expect([...packages].sort()).toEqual([
      "@cfworker/json-schema",
      "@langchain/core/prompts",
      "@marcbachmann/cel-js",
      "@noble/hashes/sha2.js",
      "@noble/hashes/utils.js",
      "@pydantic/genai-prices",
      "hono",
      "zod",
    ]);
  });
});

describe("imports point inward:", () => {
  const PURE = ["zod", "@noble/hashes"];
  const INNER = ["src/core/", "src/ports.ts", ...PURE];

  test("the core imports only the core", () => {
    const vendors = ["@marcbachmann/cel-js", "@langchain/core/prompts", "@cfworker/json-schema"];
    expect(foreign(["src/core/"], ["src/core/", ...PURE, ...vendors])).toEqual([]);
  });

  test("the ports import only the core", () => {
    expect(foreign(["src/ports.ts"], ["src/core/"])).toEqual([]);
  });

  test.each(["src/gateway/", "src/loop/"])("verbs in %s import core, ports and their own", (folder) => {
    expect(foreign([folder], [...INNER, folder])).toEqual([]);
  });

  test.each([
    { folder: "src/stores/", vendors: ["node:sqlite", "node:fs", "node:path", "node:crypto", "yaml"] },
    {
      folder: "src/flags/",
      vendors: ["launchdarkly-node-server-sdk", "node:crypto", "node:fs", "node:path"],
    },
    { folder: "src/providers/", vendors: ["undici", "@langchain/core", "langchain"] },
    { folder: "src/judges/", vendors: ["@langchain/core", "langchain", "@langchain/openai", "@langchain/anthropic"] },
    { folder: "src/languages/", vendors: ["eld"] },
    { folder: "src/prices/", vendors: ["@pydantic/genai-prices"] },
    { folder: "src/sources/", vendors: [] },
    {
      folder: "src/telemetry/",
      vendors: [
        "@arizeai/openinference-semantic-conventions",
        "undici",
        ...["buffer", "crypto", "fs", "path", "sqlite", "worker_threads", "zlib"].map((name) => `node:${name}`),
        "src/privacy/",
      ],
    },
    { folder: "src/privacy/", vendors: ["libphonenumber-js"] },
    { folder: "src/annotators/", vendors: [] },
    { folder: "src/arize/", vendors: ["src/monitors/"] },
    { folder: "src/monitors/", vendors: [] },
    { folder: "src/prompt-hubs/", vendors: [] },
  ])("adapters in $folder import core, ports and their own", ({ folder, vendors }) => {
    expect(foreign([folder], [...INNER, folder, ...vendors])).toEqual([]);
  });

  test("routes import the core, ports, the verbs' types and schemas, and Hono", () => {
    expect(foreign(["routes/"], [...INNER, "routes/", "src/gateway/", "src/loop/", "src/reports/", "hono"])).toEqual(
      [],
    );
  });

  test("routes take no verb of the loop as a value", () => {
    const values = imports.filter(
      ({ by, of, isType }) => by.startsWith("routes/") && !isType && of.startsWith("src/loop/"),
    );
    expect(values.map(shown)).toEqual([]);
  });

  test("only entry points and the composition pick adapters; the configuration knows their registries", () => {
    const adapter =
      /^src\/(stores|flags|providers|sources|telemetry|prices|judges|languages|annotators|privacy|prompt-hubs)\//;
    const mayPick =
      /^src\/(worker|node|node-providers|node-exports|cli|compose)\.ts$|^src\/(cli|demo|replay|sdk)\/|^src\/telemetry\/content\//;
    const picks = imports
      .filter(({ by, of }) => adapter.test(of) && adapter.exec(by)?.[0] !== adapter.exec(of)?.[0] && !mayPick.test(by))
      .filter(({ by, of }) => !(by === "src/config.ts" && of.endsWith("/index.ts")));
    expect(picks.map(shown)).toEqual([]);
  });

  test("nobody imports an entry point, except the command line that starts Node's", () => {
    const entries = imports.filter(
      ({ by, of }) => /^src\/(worker|node|cli)\.ts$/.test(of) && !by.startsWith("src/cli"),
    );
    expect(entries.map(shown)).toEqual([]);
  });
});

describe("each vendor's package is imported by one file:", () => {
  const importersOf = (vendor: string): string[] => [
    ...new Set(imports.filter(({ of }) => of === vendor || of.startsWith(`${vendor}/`)).map(({ by }) => by)),
  ];

  test.each([
    { vendor: "@hono/node-server", by: "src/node.ts" },
    { vendor: "launchdarkly-node-server-sdk", by: "src/flags/launchdarkly.ts" },
    { vendor: "yaml", by: "src/stores/yaml-document.ts" },
    { vendor: "@pydantic/genai-prices", by: "src/prices/genai-prices.ts" },
    { vendor: "@cfworker/json-schema", by: "src/core/checks/json-schema.ts" },
    { vendor: "eld", by: "src/languages/eld.ts" },
    { vendor: "libphonenumber-js", by: "src/privacy/phones.ts" },
  ])("$vendor by $by", ({ vendor, by }) => {
    expect(importersOf(vendor)).toEqual([by]);
  });

  test.each([
    { vendor: "undici", within: /^src\/(node-providers|providers\/undici-transport|telemetry\/undici-post)\.ts$/ },
    { vendor: "node:sqlite", within: /^src\/(stores\/sqlite[\w-]*|telemetry\/spans\/spool-lane)\.ts$/ },
    { vendor: "commander", within: /^src\/cli(\.ts|\/)/ },
    { vendor: "openai", within: /^src\/demo\// },
    { vendor: "@marcbachmann/cel-js", within: /^src\/core\/(predicate|predicate-domain|reachability)\.ts$/ },
    { vendor: "@langchain/core", within: /^src\/(core\/prompt\.ts|sdk\/|providers\/langchain|judges\/)/ },
    { vendor: "langchain", within: /^src\/(sdk\/|providers\/langchain|judges\/)/ },
    { vendor: "hono", within: /^routes\// },
  ])("$vendor only within $within", ({ vendor, within }) => {
    const importers = importersOf(vendor);
    expect(importers.filter((by) => !within.test(by))).toEqual([]);
    expect(importers).not.toEqual([]);
  });
});
