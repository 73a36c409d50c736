import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const decisions = readdirSync(join(root, "docs/decisions")).map((name) => `docs/decisions/${name}`);
const pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ...decisions];

/** Links to files, and code that is a path of this repository. */
function citedPaths(text: string): string[] {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => path ?? "");
  const code = [...text.matchAll(/`((?:src|routes|test|policies|docs|examples|bench|scripts)\/[\w./@-]*)`/g)];
  return [...links, ...code.map(([, path]) => path ?? "")];
}

describe("the documentation", () => {
  test.each(pages)("%s cites only paths that exist", (page) => {
    const missing = citedPaths(read(page)).filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });

  test("the README's example is the file that is type-checked", () => {
    expect(read("README.md")).toContain(`\`\`\`ts\n${read("examples/quickstart.ts")}\`\`\``);
  });

  test("every folder of the sources stands in ARCHITECTURE.md", () => {
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const absent = folders.map(({ name }) => `src/${name}/`).filter((path) => !read("ARCHITECTURE.md").includes(path));
    expect(absent).toEqual([]);
  });

  test("every variable of the environment stands in the README", () => {
    const names = [...read("src/config.ts").matchAll(/^ {2}((?:SEGUE|LAUNCHDARKLY|OPENAI)_[A-Z_]+):/gm)].map(
      ([, name]) => name ?? "",
    );
    expect(names.length).toBeGreaterThan(10);
    const readme = read("README.md").replaceAll("`…_", "`SEGUE_ARIZE_");
    expect(names.filter((name) => !readme.includes(name))).toEqual([]);
  });
});
