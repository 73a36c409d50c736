import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Actor } from "../core/actor.ts";
import type { Config } from "../config.ts";
import { createControlPlane } from "../loop/control-plane.ts";
import { emptyState, type ControlState } from "../core/state.ts";
import type { ControlPlane, Ledger } from "../ports.ts";
import { findSecretFile } from "../stores/secret-file.ts";
import { openSqliteLedger } from "../stores/sqlite-ledger.ts";
import { openDatabase } from "../stores/sqlite.ts";
import { memoryCounters } from "../telemetry/counters.ts";
import { silentLog } from "../telemetry/log.ts";

export const ledgerFile = (config: Config): string => join(config.SEGUE_DATA, "ledger.db");

/** Whoever can write the data directory may run these commands; the ledger names the system's user. */
export const operator = (): Actor => ({ kind: "operator", id: userInfo().username });

/** The server's secrets seal its snapshots; before a first start there are neither. */
function snapshotKeys(config: Config): readonly string[] {
  if (config.SEGUE_SECRET !== undefined) return config.SEGUE_SECRET;
  const secret = findSecretFile(join(config.SEGUE_DATA, "secret"));
  return secret === null ? [] : [secret];
}

/** Opens the embedded ledger for one command, beside a server that may be running on it, and closes it again. */
export async function withLedger<T>(
  config: Config,
  work: (opened: { readonly ledger: Ledger; readonly controlPlane: ControlPlane }) => Promise<T>,
): Promise<T> {
  const ledger = openSqliteLedger(openDatabase(ledgerFile(config)), { snapshotKeys: snapshotKeys(config) });
  try {
    const deps = { ledger, clock: { now: () => Date.now() }, log: silentLog, counters: memoryCounters() };
    const controlPlane = await createControlPlane(deps);
    try {
      return await work({ ledger, controlPlane });
    } finally {
      await controlPlane.close();
    }
  } finally {
    await ledger.close();
  }
}

/** The state as published; an empty one where there is no ledger, because looking must not create one. */
export const publishedState = async (config: Config): Promise<ControlState> =>
  existsSync(ledgerFile(config)) ? withLedger(config, async ({ controlPlane }) => controlPlane.state()) : emptyState;
