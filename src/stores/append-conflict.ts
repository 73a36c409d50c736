import { RouterError } from "../core/errors.ts";

/** @throws RouterError `conflict`, reason `stale_sequence`: worth a retry on the newer state */
export function checkSeq(expectedSeq: number, seq: number): void {
  if (expectedSeq !== seq)
    throw new RouterError(
      "conflict",
      `The ledger is at entry ${seq}, not at ${expectedSeq}: somebody else wrote. Read what is new and try again.`,
      { reason: "stale_sequence" },
    );
}

/** @throws RouterError `conflict`, reason `fenced`: another holder has the lease, so a retry is in vain */
export function checkFence(fence: number, current: number): void {
  if (fence < current)
    throw new RouterError(
      "conflict",
      `Lease ${fence} is over: lease ${current} was given to another instance, which acts now.`,
      { reason: "fenced" },
    );
}
