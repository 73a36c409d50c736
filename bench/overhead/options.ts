import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { VARIANTS, type VariantName } from "./measurement.ts";
import { MODES, type Mode } from "./wire.ts";

export interface Options {
  readonly quick: boolean;
  readonly json: boolean;
  readonly modes: readonly Mode[];
  readonly variants: readonly VariantName[];
  /** Above which `cpuVsRaw` of JSON or streams is a failure. */
  readonly gate: number | null;
  readonly soakMinutes: number | null;
  /** The folder of the Segue that is measured. */
  readonly checkout: string;
  /** Whether Segue's spans have what was asked and answered. */
  readonly content: boolean;
}

export const HELP = `npm run -s bench -- [options]

Measures what Segue adds to a model call: its process's CPU a request, and the time that it adds, beside a raw proxy on
Node and Portkey's gateway. docs/benchmarks.md says how. Progress is on stderr.

  --json            one JSON object as the last line of stdout, instead of a table
  --quick           fewer loads and shorter rounds: about a minute and a half instead of about a quarter of an hour
  --only MODES      json, stream, paced; several with commas
  --variants NAMES  direct, raw, segue, portkey; several with commas
  --gate N          exit with 1 when Segue takes more than N times the raw proxy's CPU, for JSON or streams
  --soak MINUTES    128 connections with JSON and streams against Segue only: its memory over time, and whether it is flat
  --checkout DIR    measure the Segue of another folder (its node_modules must be there)
  --content         Segue's spans have what was asked and answered, redacted
  --help            this text

Exits with 1 when a ratio is refused because requests failed, above --gate, or when the memory of --soak is not flat.`;

/** @returns null where only help is wanted @throws Error for what it does not understand */
export function parseOptions(args: readonly string[], here: string): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      only: { type: "string" },
      variants: { type: "string" },
      gate: { type: "string" },
      soak: { type: "string" },
      checkout: { type: "string", default: here },
      content: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  return {
    quick: values.quick,
    json: values.json,
    modes: listOf("--only", MODES, values.only),
    variants: listOf("--variants", VARIANTS, values.variants),
    gate: positive("--gate", values.gate),
    soakMinutes: positive("--soak", values.soak),
    checkout: resolve(values.checkout),
    content: values.content,
  };
}

/** All where nothing is said; always in the order of `known`. */
function listOf<T extends string>(option: string, known: readonly T[], text: string | undefined): readonly T[] {
  const wanted = text?.split(",") ?? known;
  const unknown = wanted.find((one) => !(known as readonly string[]).includes(one));
  if (unknown !== undefined) throw new Error(`${option} takes ${known.join(", ")}, not '${unknown}'.`);
  return known.filter((one) => wanted.includes(one));
}

function positive(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && Number.isFinite(value)) return value;
  throw new Error(`${option} takes a number above 0, not '${text}'.`);
}
