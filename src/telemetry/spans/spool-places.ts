import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** No spool gets so far, and file names have the digits for it. */
const FILE_MAX = 1e11;

/** Where a destination is in a spool: everything before it has arrived. `spans`: those of the file up to there. */
export const SpoolPlace = z.strictObject({
  file: z.int().min(0).max(FILE_MAX),
  offset: z.int().min(0),
  spans: z.int().min(0),
});
export type SpoolPlace = z.infer<typeof SpoolPlace>;

const Places = z.record(z.string(), SpoolPlace);

const fileOf = (folder: string): string => join(folder, "places.json");

/** By destination. A file that is missing or cannot be read means that everything is sent again, which loses nothing. */
export function readPlaces(folder: string): Readonly<Record<string, SpoolPlace>> {
  try {
    return Places.parse(JSON.parse(readFileSync(fileOf(folder), "utf8")));
  } catch {
    return {};
  }
}

export const removePlaces = (folder: string): void => rmSync(fileOf(folder), { force: true });

/** Written under another name first, so that no crash leaves half of it. */
export function writePlaces(folder: string, places: Readonly<Record<string, SpoolPlace>>): void {
  const draft = `${fileOf(folder)}.new`;
  writeFileSync(draft, JSON.stringify(places), { mode: 0o600 });
  renameSync(draft, fileOf(folder));
}
