import { closeSync, fsyncSync, linkSync, openSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Gives a finished draft its name, lasting through a power cut. Where another process was first, its file
 * stays. The draft stays too: its maker removes it.
 */
export function linkUnlessThere(draft: string, file: string): void {
  try {
    linkSync(draft, file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return;
    throw error;
  }
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}
