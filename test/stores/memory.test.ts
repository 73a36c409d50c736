import { expect, test } from "vitest";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { checkpointsContract } from "../contracts/checkpoints.ts";
import { draft, signalEvent } from "../contracts/history.ts";
import { leaseContract } from "../contracts/lease.ts";
import { ledgerContract } from "../contracts/ledger.ts";

const clean = async () => undefined;
leaseContract("memory", async () => ({ lease: createMemoryLease(), clean }));
checkpointsContract("memory", async () => ({ checkpoints: createMemoryCheckpoints(), clean }));
ledgerContract("memory", async () => {
  const lease = createMemoryLease();
  const ledger = createMemoryLedger({ fence: lease.fence });
  return { ledger, other: ledger, lease, clean };
});

test("a memory ledger continues the entries that it is given", async () => {
  const first = createMemoryLedger();
  await first.append(0, [draft(signalEvent("s-1")), draft(signalEvent("s-2"))]);
  const second = createMemoryLedger({ entries: await first.readStored(0, 10) });
  expect(await second.head()).toEqual(await first.head());
  await second.append(2, [draft(signalEvent("s-3"))]);
  expect(await first.head()).toMatchObject({ seq: 2 });
});

test("a memory ledger refuses entries that are no chain, and names the first wrong one", async () => {
  const first = createMemoryLedger();
  await first.append(0, [draft(signalEvent("s-1")), draft(signalEvent("s-2"))]);
  const [one, two] = await first.readStored(0, 10);
  expect(() => createMemoryLedger({ entries: [one!, { ...two!, body: "{}" }] })).toThrow(/entry 2 was changed/);
});
