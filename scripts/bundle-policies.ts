import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { lint } from "../src/core/lint.ts";
import { promptsOf } from "../src/core/policy-source.ts";
import { readPolicyFiles } from "../src/stores/policy-files.ts";

/**
 * Writes `dist/policies.bundle.json`, which the Worker imports: a list of `{policy, prompts}`. Fails on a policy with
 * an error, so that none is deployed. Reads `SEGUE_POLICIES` instead of `policies`, and writes `SEGUE_BUNDLE`, where set.
 */
const directory = process.env.SEGUE_POLICIES ?? "policies";
const file = process.env.SEGUE_BUNDLE ?? "dist/policies.bundle.json";
const { sources, prompts } = await readPolicyFiles(directory);
const errors = lint(sources, prompts, null).filter(({ severity }) => severity === "error");
for (const { file: source, line, column, message, fix } of errors)
  console.error(`${source}:${line}:${column} ${message}\n  ${fix}`);
if (errors.length > 0) process.exit(1);
const bundle = sources.flatMap(({ document }) =>
  document === null ? [] : [{ policy: document, prompts: promptsOf(document, prompts) }],
);
await mkdir(dirname(file), { recursive: true });
await writeFile(file, JSON.stringify(bundle));
console.log(`${file}: ${bundle.map(({ policy }) => policy.policy).join(", ")}`);
