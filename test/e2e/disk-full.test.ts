import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startOpenaiUpstream } from "../fakes/openai-upstream.ts";
import { publishChat } from "./chat-policy.ts";
import { askAndRate } from "./chat-traffic.ts";
import { createWorkspace, until } from "./segue-process.ts";

const system = (program: string, ...args: readonly string[]) => execFileSync(program, args, { stdio: "ignore" });

/** A file system of a megabyte, where this user may mount one. */
function smallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), "segue-disk-"));
  try {
    system("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder);
    return folder;
  } catch {
    // Mounting takes a right that ordinary users lack; the store's own tests cover a full disk without it.
    rmSync(folder, { recursive: true });
    return null;
  }
}
const disk = smallDisk();
afterAll(() => {
  if (disk === null) return;
  system("umount", disk);
  rmSync(disk, { recursive: true });
});

test("on a full disk answers keep flowing and changes are refused; with space again changes are made", async (context) => {
  if (disk === null) return context.skip("this user may not mount a small file system (as root it runs)");
  const upstream = await startOpenaiUpstream();
  const home = createWorkspace({ OPENAI_BASE_URL: upstream.baseUrl, SEGUE_DATA: disk });
  const key = await publishChat(home);
  const server = await home.serve();
  const freeze = () => server.ask("POST", "/api/freeze", { body: { reason: "x".repeat(1900) } });
  const filler = join(disk, "filler");
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(filler, Buffer.alloc(Math.max(0, bavail - 2) * bsize));
  const refused = await until("the disk is full for the ledger", async () => {
    const answer = await freeze();
    return answer.status !== 200 && answer;
  });
  expect([refused.status, refused.body.error.code]).toEqual([503, "disk_full"]);
  expect(await askAndRate(server, key, "plain", () => 1)).toBe("first");
  rmSync(filler);
  expect((await freeze()).status).toBe(200);
  await server.stop("SIGKILL");
  expect((await home.run("audit", "verify")).code).toBe(0);
  await home.remove();
  await upstream.close();
});
