import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { Command } from "commander";
import { actorName } from "../core/actor.ts";
import { parseEntry } from "../core/ledger.ts";
import { RouterError } from "../core/errors.ts";
import { verifyLedger, type Verification } from "../loop/verify-ledger.ts";
import { verifyEvidence } from "../loop/verify-evidence.ts";
import { openSqliteLedger } from "../stores/sqlite-ledger.ts";
import { openDatabase } from "../stores/sqlite.ts";
import type { Ledger } from "../ports.ts";
import type { CommandContext } from "./context.ts";
import { evidenceLines } from "./evidence-text.ts";
import { ledgerFile } from "./local.ts";

const PAGE = 500;

/** `segue audit verify|export`: works on the ledger's file, without a server. */
export const auditCommand = ({ config, output }: CommandContext): Command => {
  const audit = new Command("audit").description("re-check or export the ledger");
  audit
    .command("verify")
    .description(
      "re-check every entry's hash, order and meaning, and decisions on request; exit 1 and name what is wrong",
    )
    .option("--file <path>", "the ledger's database", ledgerFile(config()))
    .option("--head <seq:hash>", "a head noted down elsewhere, which the chain must contain")
    .option("--evidence <id>", "decide this switchover, or 'all', again from the evidence stored with it")
    .action(async ({ file, head, evidence: id }: { file: string; head?: string; evidence?: string }) => {
      const ledger = openExisting(file);
      try {
        const expected = head === undefined ? {} : { expectedHead: headOf(head) };
        const verification = await verifyLedger(ledger, { ...expected, hash: (text) => hash("sha256", text) });
        const { fault } = verification;
        // Of a chain that is broken nothing can be said.
        const evidence = id === undefined || fault !== null ? null : await verifyEvidence(ledger, id);
        const agrees = evidence === null || evidence.reports.every((report) => report.agrees);
        output().result(
          { verified: fault === null && agrees, ...verification, ...(evidence === null ? {} : { evidence }) },
          () => [chainText(verification), ...(evidence === null ? [] : evidenceLines(evidence))].join("\n"),
        );
        if (fault !== null || !agrees) process.exitCode = 1;
      } finally {
        await ledger.close();
      }
    });
  audit
    .command("export")
    .description("print every entry, one JSON object a line")
    .option("--file <path>", "the ledger's database", ledgerFile(config()))
    .option("--after <seq>", "only entries after this one", "0")
    .action(async ({ file, after }: { file: string; after: string }) => {
      const ledger = openExisting(file);
      try {
        let seq = Number(after);
        if (!Number.isInteger(seq) || seq < 0)
          throw new RouterError("invalid_request", `--after takes an entry's number, not '${after}'.`);
        for (;;) {
          const page = (await ledger.readStored(seq, PAGE)).map(parseEntry);
          for (const entry of page)
            process.stdout.write(`${JSON.stringify({ ...entry, actorName: actorName(entry.actor) })}\n`);
          if (page.length < PAGE) return;
          seq += page.length;
        }
      } finally {
        await ledger.close();
      }
    });
  return audit;
};

const chainText = ({ entries, head, fault }: Verification): string =>
  fault === null
    ? `${entries} entries verified. Head ${head.seq}:${head.hash}`
    : `Broken at entry ${fault.seq}: ${fault.problem}`;

/** A ledger that is missing must not be created, and then found to be in order. */
function openExisting(file: string): Ledger {
  if (!existsSync(file))
    throw new RouterError("not_found", `There is no ledger at ${file}. Name its file with --file, or set SEGUE_DATA.`, {
      reason: "no_ledger",
    });
  const database = openDatabase(file);
  try {
    return openSqliteLedger(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function headOf(text: string): { readonly seq: number; readonly hash: string } {
  const [, seq, digest] = /^(\d+):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || digest === undefined)
    throw new RouterError("invalid_request", "--head takes what 'segue audit verify' printed: NUMBER:HASH.");
  return { seq: Number(seq), hash: digest };
}
