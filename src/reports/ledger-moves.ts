import { actorName } from "../core/actor.ts";
import type { Event } from "../core/event.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Signal } from "../core/signal.ts";
import { segmentKey } from "../core/state.ts";
import type { Phase, Switchover } from "../core/switchover.ts";
import type { Happening, MoveReport } from "./report-shape.ts";

/** What the ledger says of a segment in a period. */
export interface LedgerOfSegment {
  readonly moves: readonly MoveReport[];
  readonly happened: readonly Happening[];
  /** The latest alarm that says whom it is about, by `variant/metric`. */
  readonly alarms: ReadonlyMap<string, Signal>;
}

interface Building {
  readonly moves: Map<string, MoveReport>;
  readonly happened: Happening[];
  readonly alarms: Map<string, Signal>;
}

/**
 * Entries by `policy/segment`, in one pass.
 * @param known switchovers that were proposed before
 */
export function readMoves(
  entries: readonly LedgerEntry[],
  known: Readonly<Record<string, Switchover>>,
): ReadonlyMap<string, LedgerOfSegment> {
  const segments = new Map<string, Building>();
  /** Of each switchover that is spoken of. */
  const proposed = new Map<string, Switchover>();
  const find = (id: string): Switchover | undefined =>
    proposed.get(id) ?? (Object.hasOwn(known, id) ? known[id] : undefined);
  const at = (policy: string, segment: string): Building => {
    const key = segmentKey(policy, segment);
    const building = segments.get(key) ?? { moves: new Map(), happened: [], alarms: new Map() };
    segments.set(key, building);
    return building;
  };
  for (const entry of entries) {
    const { event } = entry;
    if (event.type === "switchover.proposed") {
      const { switchover } = event;
      proposed.set(switchover.id, switchover);
      noteMove(at(switchover.change.policy, switchover.change.segment), switchover, switchover.phase, entry);
    } else if (event.type === "switchover.moved") {
      const switchover = find(event.id);
      // Without its proposal nobody knows which segment it is of.
      if (switchover === undefined) continue;
      noteMove(at(switchover.change.policy, switchover.change.segment), switchover, event.phase, entry);
    } else if (event.type === "signal.recorded") {
      const { signal } = event;
      if (signal.status === "degraded" && signal.evidence.blame !== undefined)
        at(signal.policy, signal.segment).alarms.set(`${signal.variant}/${signal.metric}`, signal);
    } else {
      const told = happening(event);
      if (told === null) continue;
      at(told.policy, told.segment).happened.push({ at: entry.at, by: actorName(entry.actor), words: told.words });
    }
  }
  return new Map(
    [...segments].map(([key, { moves, happened, alarms }]) => [key, { moves: [...moves.values()], happened, alarms }]),
  );
}

function noteMove({ moves }: Building, { id, change }: Switchover, phase: Phase, { at, actor }: LedgerEntry): void {
  const { from, to, cause, metric } = change;
  const move = moves.get(id) ?? { id, from, to, cause, metric, why: whyText(change), phases: [] };
  moves.set(id, move);
  move.phases.push({
    kind: phase.kind,
    at,
    by: actorName("by" in phase ? phase.by : actor),
    share: phase.kind === "canary" ? phase.share : null,
    because: "because" in phase ? phase.because : phase.kind === "approved" ? (phase.reason ?? null) : null,
  });
}

function whyText({ from, to, cause, metric, evidence, incident, raisedBy }: Switchover["change"]): string {
  const { lossMean, lossTolerated, labels, note } = evidence;
  const figures =
    lossMean === undefined
      ? ""
      : ` (loss ${lossMean.toFixed(3)}${lossTolerated === undefined ? "" : `, ${lossTolerated.toFixed(3)} tolerated`}${labels === undefined ? "" : `, ${labels} labels`})`;
  const main = {
    degraded: `${from} degraded on ${metric}${figures}`,
    recovered: `whether ${to} recovered on ${metric} is tried`,
    manual: "a person asked for it",
  }[cause];
  return [
    main,
    ...(raisedBy === undefined ? [] : [`said by ${raisedBy}`]),
    ...(incident === undefined ? [] : [`part of incident ${incident}`]),
    ...(note === undefined ? [] : [note]),
  ].join("; ");
}

interface Told {
  readonly policy: string;
  readonly segment: string;
  readonly words: string;
}

/** What else concerns one segment; null for the rest. */
function happening(event: Event): Told | null {
  if (event.type === "escalation.raised") return told(event, `people were told: ${event.detail}`);
  if (event.type === "escalation.resolved") return told(event, `what people were told is over: ${event.because}`);
  if (event.type === "flag.effect-started")
    return told(
      event,
      `flag ${event.flag} ${event.variant === null ? `is ${event.value}` : `forces ${event.variant}`}`,
    );
  if (event.type === "flag.effect-ended") return told(event, `flag ${event.flag} has no effect any more`);
  if (event.type === "freeze.set") return told(event.scope, `frozen: ${event.reason}`);
  if (event.type === "freeze.lifted") return told(event.scope, `no longer frozen: ${event.reason}`);
  return null;
}

const told = (
  { policy, segment }: { readonly policy?: string | undefined; readonly segment?: string | undefined },
  words: string,
): Told | null => (policy === undefined || segment === undefined ? null : { policy, segment, words });
