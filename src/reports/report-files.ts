import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ReportFiles } from "./write-scheduled-report.ts";

/** Reports in a directory, which is made when there is none. Failures are the file system's own. */
export const reportFiles = (directory: string): ReportFiles => ({
  list: async () => {
    await mkdir(directory, { recursive: true });
    return readdir(directory);
  },
  write: async (name, text) => {
    const draft = join(directory, `.${name}.${randomBytes(4).toString("hex")}.new`);
    try {
      const file = await open(draft, "wx");
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      // Unlike a rename this leaves alone what another process was first to write.
      await link(draft, join(directory, name));
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw error;
    } finally {
      await rm(draft, { force: true });
    }
  },
  remove: (name) => rm(join(directory, name), { force: true }),
});
