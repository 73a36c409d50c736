import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** Where a destination is in a spool: everything before it has arrived. */
export const SpoolPlace = z.strictObject({ file: z.int().min(0), offset: z.int().min(0) });
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

/** Written under another name first, so that no crash leaves half of it. */
export function writePlaces(folder: string, places: Readonly<Record<string, SpoolPlace>>): void {
  const draft = `${fileOf(folder)}.new`;
  writeFileSync(draft, JSON.stringify(places), { mode: 0o600 });
  renameSync(draft, fileOf(folder));
}
