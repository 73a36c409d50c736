import { createHash } from "node:crypto";
import type { Head, StoredEntry } from "../../src/core/ledger.ts";
import { judgeEntry, type Circumstances } from "./judge-entry.ts";
import { isCounted } from "./judge-guard.ts";
import { judgeMeasures } from "./judge-incident.ts";
import { moveOn, newModel, placeOf, publish, type IncidentRecord, type Model, type Written } from "./model.ts";
import { PromiseBroken, type PromiseNumber } from "./promises.ts";

export type Accuse = (promise: PromiseNumber, detail: string) => void;

/** Judges every entry at the moment at which it takes effect, from the ledger's text alone. */
export interface LedgerJudge {
  readonly model: Model;
  readonly written: readonly Written[];
  readonly accuse: Accuse;
  /** The first promise that was seen broken. */
  readonly verdict: () => PromiseBroken | null;
  readonly onWritten: (stored: readonly StoredEntry[], circumstances: Circumstances) => void;
  readonly onAcknowledged: (entries: readonly Head[]) => void;
  /** Compares the whole stored chain with what was seen and acknowledged. */
  readonly checkChain: (stored: readonly StoredEntry[]) => void;
}

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

export function createLedgerJudge(): LedgerJudge {
  const model = newModel();
  const written: Written[] = [];
  const acknowledged: Head[] = [];
  let broken: PromiseBroken | null = null;
  let verified = { seq: 0, hash: "0".repeat(64) };
  const accuse: Accuse = (promise, detail) => {
    broken ??= new PromiseBroken(promise, detail);
  };
  return {
    model,
    written,
    accuse,
    verdict: () => broken,
    onWritten: (stored, circumstances) => {
      for (const { seq, body } of stored) {
        if (seq <= written.length) continue;
        const entry: Written = { seq, ...(JSON.parse(body) as Omit<Written, "seq">) };
        judgeEntry(model, entry, circumstances, accuse);
        written.push(entry);
        if (broken === null) takeIn(model, entry);
      }
      if (broken === null) judgeMeasures(model, accuse);
    },
    onAcknowledged: (entries) => acknowledged.push(...entries),
    checkChain: (stored) => {
      for (const { seq, prev, hash, body } of stored.slice(verified.seq)) {
        if (seq !== verified.seq + 1 || prev !== verified.hash || hash !== sha256(`${prev}\n${seq}\n${body}`))
          return accuse(4, `entry ${seq} does not follow entry ${verified.seq}`);
        verified = { seq, hash };
      }
      for (const { seq, hash } of acknowledged.splice(0))
        if (stored[seq - 1]?.hash !== hash) return accuse(4, `the acknowledged entry ${seq} is lost`);
      if (written.length > stored.length) accuse(4, `only ${stored.length} of ${written.length} entries are left`);
    },
  };
}

function takeIn(model: Model, entry: Written): void {
  const { event, at } = entry;
  switch (event.type) {
    case "policy.published":
      return publish(model, event.policy, entry);
    case "signal.recorded": {
      const { signal } = event;
      const key = [placeOf(signal), signal.variant, signal.metric, signal.source].join("|");
      const known = model.signals.get(key);
      const heard = { signal, at: Math.min(signal.observedAt, at) };
      model.signalIds.add(`${signal.source}:${signal.id}`);
      // "No data" is nobody's word about anything.
      if (known === undefined || (signal.status !== "inconclusive" && heard.at >= known.at))
        model.signals.set(key, heard);
      return;
    }
    case "switchover.proposed": {
      const { switchover } = event;
      const { id, change, gate, proposedBy, phase } = switchover;
      const record = model.segments.get(placeOf(change));
      if (record !== undefined) record.open = id;
      model.switchovers.set(id, {
        id,
        change,
        gate,
        proposedBy,
        expiresAt: phase.kind === "proposed" ? phase.expiresAt : 0,
        phase: "proposed",
        step: -1,
        stepSince: 0,
        startedAt: 0,
        isApproved: false,
        rolledBackSeq: null,
      });
      return;
    }
    case "switchover.moved": {
      const switchover = model.switchovers.get(event.id);
      if (switchover === undefined) return;
      if (event.phase.kind === "approved") switchover.isApproved = true;
      if (event.phase.kind === "canary" && switchover.phase !== "canary" && isCounted(switchover))
        model.begun.push({ policy: switchover.change.policy, at, id: event.id });
      return moveOn(model, switchover, entry);
    }
    case "freeze.set":
      model.freezes.set(scopeOf(event.scope), { until: event.until });
      return;
    case "freeze.lifted":
      model.freezes.delete(scopeOf(event.scope));
      return;
    case "incident.opened": {
      const { id, policy, metric, scope } = event;
      model.incidents.set(id, { policy, metric, scope, isOpen: true, recoveredAt: null });
      return;
    }
    case "incident.resolved": {
      const incident = model.incidents.get(event.id);
      if (incident === undefined) return;
      incident.isOpen = false;
      if (incident.scope.kind === "evaluator") forgetAlarms(model, incident);
      return;
    }
    case "baseline.frozen":
    case "escalation.raised":
    case "escalation.resolved":
    case "flag.effect-started":
    case "flag.effect-ended":
    case "prompt.proposed":
    case "prompt.withdrawn":
    case "key.created":
    case "key.revoked":
      return;
  }
}

/** What a detector made of scores that mean something else by now is void; others have to take back what they said. */
function forgetAlarms({ signals }: Model, { policy, metric }: IncidentRecord): void {
  for (const [key, { signal }] of signals)
    if (signal.policy === policy && signal.metric === metric && signal.source.startsWith("detector:"))
      signals.delete(key);
}

const scopeOf = ({
  policy,
  segment,
}: {
  readonly policy?: string | undefined;
  readonly segment?: string | undefined;
}) => (policy === undefined ? "everything" : segment === undefined ? policy : `${policy}/${segment}`);
