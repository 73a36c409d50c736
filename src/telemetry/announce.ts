import { blameText } from "../core/blame.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Log } from "../ports.ts";

/** Tells people, in the log, what the loop did: a warning where somebody should look, else a line for the record. */
export function announce(log: Log, { seq, event }: LedgerEntry): void {
  switch (event.type) {
    case "escalation.raised": {
      const { policy, segment, reason, detail } = event;
      return log.warn("a segment needs people", { seq, policy, segment, reason, detail });
    }
    case "switchover.proposed": {
      const { id, change, gate } = event.switchover;
      const fields = { seq, id, policy: change.policy, segment: change.segment, from: change.from, to: change.to };
      return gate === "approval"
        ? log.warn("a switchover waits for approval", fields)
        : log.info("a switchover is proposed", fields);
    }
    case "switchover.moved":
      return log.info(`a switchover is ${event.phase.kind}`, {
        seq,
        id: event.id,
        ...("because" in event.phase ? { because: event.phase.because } : {}),
      });
    case "signal.recorded": {
      const { policy, segment, variant, metric, status, source, evidence } = event.signal;
      const where = evidence.blame === undefined ? {} : { where: blameText(evidence.blame) };
      return log.info(`a signal says ${status}`, { seq, policy, segment, variant, metric, source, ...where });
    }
    case "incident.opened": {
      const { id, policy, metric, scope } = event;
      return log.warn("much fails at once", { seq, id, policy, metric, scope });
    }
    case "incident.resolved":
      return log.info("an incident is over", { seq, id: event.id, because: event.because });
    case "baseline.frozen":
    case "escalation.resolved":
    case "flag.effect-ended":
    case "flag.effect-started":
    case "freeze.lifted":
    case "freeze.set":
    case "key.created":
    case "key.revoked":
    case "policy.published":
    case "prompt.proposed":
    case "prompt.withdrawn":
      return undefined;
  }
}
