import { decide } from "../../src/core/decision.ts";
import type { Outcome } from "../../src/core/outcome.ts";
import type { FlagContext } from "../../src/ports.ts";
import type { Bugs } from "./bugs.ts";
import type { Instance } from "./instance.ts";
import { judgeAnswer, type Probe } from "./judge-served.ts";
import type { LedgerJudge } from "./ledger-judge.ts";
import { places } from "./policies.ts";

const UNITS = 40;
const PROBED = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];

/** The upstream's truth: the mean loss of each variant on each segment, until it changes. */
export interface Upstream {
  readonly lossOf: (policy: string, segment: string, variant: string) => number;
  readonly degrade: (policy: string, segment: string, variant: string, loss: number) => void;
}

const HEALTHY = 0.05;

export function createUpstream(): Upstream {
  const losses = new Map<string, number>();
  return {
    lossOf: (...row) => losses.get(row.join("/")) ?? HEALTHY,
    degrade: (policy, segment, variant, loss) => losses.set([policy, segment, variant].join("/"), loss),
  };
}

interface TrafficDeps {
  readonly judge: LedgerJudge;
  readonly upstream: Upstream;
  readonly bugs: Bugs;
  readonly now: () => number;
  readonly fallback: (place: string) => string;
}

/** Requests through the real table and decision, and what comes of them. */
export function createTraffic({ judge, upstream, bugs, now, fallback }: TrafficDeps) {
  const decideWith = bugs.decide ?? decide;
  let served = 0;
  let seed = 0x9e3779b9;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const answer = (instance: Instance, place: Place, unit: string, flag: string) => {
    const table = instance.serving.table();
    const policy = table.policies.get(place.policy);
    if (policy === undefined) return null;
    return decideWith(policy, {
      revision: table.revision,
      attributes: { area: place.segment },
      unit,
      isCurrent: instance.serving.isCurrent(),
      fallbackFor: () => ({ value: flag, reason: "STATIC" }),
    });
  };
  const answerOrAccuse: typeof answer = (...request) => {
    try {
      return answer(...request);
    } catch (error) {
      judge.accuse(11, `a request to ${request[1].policy}/${request[1].segment} was not answered: ${String(error)}`);
      return null;
    }
  };
  return {
    /** Serves one request and judges it. @returns what would be known of the answer if somebody labelled it */
    serve: (instance: Instance, place: Place): Outcome | null => {
      served += 1;
      const unit = `u${served % UNITS}`;
      const forced = fallback(`${place.policy}/${place.segment}`);
      const decision = answerOrAccuse(instance, place, unit, forced);
      if (decision === null) return null;
      const { policy, segment, reason, switchover } = decision;
      const variant = decision.variant.id;
      const { seen, fault } = instance.line;
      judgeAnswer(judge, {
        decision: { policy, segment, reason, switchover, variant },
        seen,
        forced: fallback(`${policy}/${segment}`),
        isCutOff: fault === "down",
      });
      instance.scoreboard.expose(policy, segment, now());
      const loss = random() < upstream.lossOf(policy, segment, variant) ? 1 : 0;
      return { policy, segment, variant, metric: "quality", loss, at: now(), predictionId: `p${served}` };
    },
    /** What the units of a sample would be served, flags aside. */
    probe: (instance: Instance): Probe => {
      const found = new Map<string, string>();
      for (const place of places) {
        const decisions = PROBED.map((unit) => answerOrAccuse(instance, place, unit, ""));
        const [first] = decisions;
        // Requests of a segment that was removed fall to another.
        if (first?.segment === place.segment)
          found.set(`${place.policy}/${place.segment}`, decisions.map((decision) => decision?.variant.id).join(" "));
      }
      return found;
    },
  };
}

type Place = Pick<FlagContext, "policy" | "segment">;
