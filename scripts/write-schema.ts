import { writeFile } from "node:fs/promises";
import { policySchemaText } from "./policy-schema.ts";

const target = new URL("../policies/policy.schema.json", import.meta.url);
await writeFile(target, policySchemaText());
console.log(`Wrote ${target.pathname}.`);
