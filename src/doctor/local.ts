import { constants } from "node:fs";
import { access, readFile, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fail, ok, skipped, warn, type Check, type Found } from "./finding.ts";

export interface LocalSettings {
  readonly data: string;
  readonly flags: string;
  /** Whether flags come from LaunchDarkly itself, not from the file. */
  readonly hasLaunchDarklyKey: boolean;
}

const BYTES_MIN = 1024 ** 3;

/** Whether what is on this machine is there and can be used. */
export const localChecks = ({ data, flags, hasLaunchDarklyKey }: LocalSettings): readonly Check[] => [
  { id: "data", title: "Data directory", run: () => dataCheck(data) },
  {
    id: "flags",
    title: "Flags",
    run: () =>
      hasLaunchDarklyKey
        ? Promise.resolve(skipped("flags come from LaunchDarkly, whose SDK says at the start whether it takes the key"))
        : flagsCheck(flags),
  },
];

async function dataCheck(data: string): Promise<Found> {
  const isThere = await stat(data).catch(() => null);
  if (isThere === null)
    return fail(`there is no ${data}`, "Run 'segue init', or set SEGUE_DATA to where the ledger is.");
  if (!isThere.isDirectory()) return fail(`${data} is no directory`, "Set SEGUE_DATA to a directory.");
  try {
    await access(data, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return fail(
      `${data} cannot be written (${codeOf(error)})`,
      "Give this user the right to write there: without the ledger nothing may change.",
    );
  }
  if ((await stat(join(data, "ledger.db")).catch(() => null)) === null)
    return fail(`there is no ledger in ${data}`, "Run 'segue init', or 'segue keys create --machine NAME'.");
  const { bavail, bsize } = await statfs(data);
  const free = bavail * bsize;
  const detail = `${data} can be written and has ${(free / BYTES_MIN).toFixed(1)} GiB left`;
  return free < BYTES_MIN
    ? warn(detail, "Make room: without it answers go on, but nothing is recorded or moved.")
    : ok(detail);
}

async function flagsCheck(file: string): Promise<Found> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    return warn(
      `${file} cannot be read (${codeOf(error)}), so flags have their defaults`,
      "Run 'segue init', or set SEGUE_FLAGS.",
    );
  }
  try {
    JSON.parse(text);
    return ok(`${file} is JSON`);
  } catch (error) {
    return fail(`${file} is not JSON: ${String(error)}`, "Correct the file; a running server keeps what it read last.");
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
