/**
 * How long a ledger takes to open: `node bench/ledger-open.ts [entries]` builds a database of that
 * many realistic entries in a temporary folder (100 000 unless told) and prints where the time goes, in milliseconds.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fold } from "../src/core/fold.ts";
import type { Draft } from "../src/core/ledger.ts";
import { emptyState } from "../src/core/state.ts";
import { createControlPlane } from "../src/loop/control-plane.ts";
import { openSqliteLedger } from "../src/stores/sqlite-ledger.ts";
import { openDatabase } from "../src/stores/sqlite.ts";
import { entriesOf, nextEvent, signalEvent, START } from "../test/contracts/history.ts";

const count = Number(process.argv[2] ?? 100_000);
const folder = mkdtempSync(join(tmpdir(), "segue-bench-"));
const snapshotKeys = ["a key of the benchmark, which is no secret"];
const file = join(folder, "ledger.db");
/** As far behind the end as a snapshot can be. */
const TAIL = Math.min(999, count - 1);

/** A repeatable sequence of numbers, so that two runs measure the same ledger. */
function* numbers(seed = 1): Generator<number, never> {
  for (let x = seed; ;) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    yield x >>> 8;
  }
}

function timed<T>(work: () => T): { readonly result: T; readonly ms: number } {
  const start = performance.now();
  const result = work();
  return { result, ms: performance.now() - start };
}

/** Most of what a ledger holds are signals; one entry of each group is something else, if it can be. */
const GROUP = 40;

async function build(): Promise<void> {
  const ledger = openSqliteLedger(openDatabase(file), { snapshotKeys });
  const random = numbers();
  let state = emptyState;
  let written = 0;
  let pending: Draft[] = [];
  while (state.head.seq < count) {
    const seq = state.head.seq;
    const size = Math.min(GROUP, (seq < count - TAIL ? count - TAIL : count) - seq);
    const others = [nextEvent(state, [random.next().value, random.next().value])];
    const signals = Array.from({ length: size - 1 }, (_, index) => signalEvent(`detector-${seq + index}`, START + seq));
    const entries = entriesOf(state, [...others, ...signals], START + seq * 1000);
    state = fold(state, entries);
    for (const { at, actor, event } of entries) pending.push({ at, actor, event });
    if (pending.length < 1000 && state.head.seq !== count - TAIL && state.head.seq !== count) continue;
    await ledger.append(written, pending);
    written = state.head.seq;
    pending = [];
    if (written === count - TAIL) await ledger.saveSnapshot({ head: await ledger.head(), state });
  }
  await ledger.close();
}

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
await build();
for (let run = 1; run <= 3; run++) {
  const start = performance.now();
  const opened = timed(() => openDatabase(file));
  const verified = timed(() => openSqliteLedger(opened.result, { snapshotKeys }));
  const ledger = verified.result;
  const recovering = performance.now();
  const snapshot = await ledger.loadSnapshot();
  const loaded = performance.now();
  const controlPlane = await createControlPlane({
    ledger,
    clock: { now: () => Date.now() },
    log: quiet,
    counters: { add: () => undefined },
  });
  const end = performance.now();
  console.log(
    JSON.stringify({
      run,
      entries: controlPlane.state().head.seq,
      fileMb: Math.round(statSync(file).size / 1e5) / 10,
      openMs: Math.round(opened.ms),
      verifyMs: Math.round(verified.ms),
      snapshotAt: snapshot?.head.seq ?? null,
      snapshotMs: Math.round(loaded - recovering),
      // Loads the snapshot once more, as a start does.
      snapshotAndTailMs: Math.round(end - loaded),
      totalMs: Math.round(end - start - (loaded - recovering)),
    }),
  );
  await controlPlane.close();
  await ledger.close();
}
rmSync(folder, { recursive: true });
