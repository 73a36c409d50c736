import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { RouterError } from "../core/errors.ts";
import { linkUnlessThere } from "./link-unless-there.ts";

const LENGTH_MIN = 32;

/**
 * The secret of a data directory, made when there is none. Processes that make it at the same time agree on one.
 * @throws RouterError `unavailable`, reason `bad_secret`, when what the file holds is too short to be one
 */
export function ensureSecretFile(file: string): string {
  if (!existsSync(file)) createSecret(file);
  return readSecret(file);
}

/** @returns null when there is none @throws RouterError as `ensureSecretFile` does */
export const findSecretFile = (file: string): string | null => (existsSync(file) ? readSecret(file) : null);

function readSecret(file: string): string {
  const secret = readFileSync(file, "utf8").trim();
  if (secret.length >= LENGTH_MIN) return secret;
  throw new RouterError(
    "unavailable",
    `The secret in ${file} has ${secret.length} characters, and needs at least ${LENGTH_MIN}: anybody could guess it. ` +
      "Restore the file from a backup, or remove it to have a new one made; prediction ids given out before are then refused.",
    { reason: "bad_secret" },
  );
}

/** Written under another name and linked when whole, so that no crash leaves half a secret. */
function createSecret(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}.new`;
  try {
    const descriptor = openSync(draft, "wx", 0o600);
    try {
      writeSync(descriptor, randomBytes(32).toString("hex"));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    linkUnlessThere(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}
