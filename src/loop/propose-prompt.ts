import type { Actor } from "../core/actor.ts";
import { canonicalJson } from "../core/digest.ts";
import { RouterError } from "../core/errors.ts";
import { hubOf, hubPromptName, type HubId, type PromptHubs } from "../core/hub-prompt.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { promptOf } from "../core/policy-source.ts";
import { followedLabels, proposalEvents, type FollowedLabel, type LabelReading } from "../core/prompt-proposal.ts";
import type { Clock, ControlPlane, Counters, Log, Random } from "../ports.ts";

export interface CheckPromptLabelsDeps {
  readonly controlPlane: Pick<ControlPlane, "state" | "commit">;
  readonly hubs: PromptHubs;
  readonly log: Pick<Log, "warn">;
  readonly counters: Counters;
  readonly clock: Clock;
  /** Where among the labels a check begins, so that those which it never gets to are not always the same. */
  readonly random: Random;
  /** How many labels one check asks for; 500 when absent. */
  readonly labelsMax?: number;
  /** For how long a check begins to ask for another label, in milliseconds; two minutes when absent. */
  readonly checkMs?: number;
}

/** So many answers in a row that a hub does not give are enough to leave it alone until the next check. */
const SILENT_MAX = 3;

/** The labels to ask for; all that are followed when absent. */
export interface LabelFilter {
  readonly hub?: HubId | undefined;
  /** The hub's own id of a prompt. */
  readonly promptId?: string | undefined;
}

export interface LabelCheck {
  readonly asked: number;
  readonly failed: number;
  /** For want of time or room, or because their hub is silent. */
  readonly skipped: number;
  readonly proposed: number;
  readonly withdrawn: number;
}

/**
 * Asks where the labels of published variants are now, and records a proposal for each that is on another text, or that it
 * is over. Proposes only: what is served stays as it was published. A hub that gives no answer changes nothing.
 */
export async function checkPromptLabels(deps: CheckPromptLabelsDeps, filter: LabelFilter = {}): Promise<LabelCheck> {
  const { controlPlane, log, counters } = deps;
  const places = followedPlaces(controlPlane.state(), filter);
  const { asked, readings } = await readLabels(deps, rotated(places, deps.random));
  const skipped = places.length - asked;
  if (skipped > 0) {
    counters.add("segue_prompt_labels_skipped_total", {}, skipped);
    log.warn("not every label of prompts was asked for: there was no time or room, or its hub is silent", {
      asked,
      skipped,
    });
  }
  const events = { proposed: 0, withdrawn: 0 };
  for (const hub of new Set(places.map((place) => place.hub))) {
    const actor: Actor = { kind: "webhook", source: `${hub}-prompts` };
    const entries = await controlPlane.commit(actor, (state) =>
      proposalEvents(state, (place) => (place.hub === hub ? readings.get(keyOf(place)) : undefined)),
    );
    announce(log, entries);
    events.proposed += entries.filter(({ event }) => event.type === "prompt.proposed").length;
    events.withdrawn += entries.filter(({ event }) => event.type === "prompt.withdrawn").length;
  }
  return { asked, failed: asked - readings.size, skipped, ...events };
}

function announce(log: CheckPromptLabelsDeps["log"], entries: readonly LedgerEntry[]): void {
  for (const { seq, event } of entries) {
    if (event.type !== "prompt.proposed") continue;
    const { policy, variant, version } = event;
    log.warn(`${hubPromptName(event)} is on a text that is not published`, { seq, policy, variant, version });
  }
}

type Place = FollowedLabel["place"];

/** Not its name, which is for people: two places may read alike. */
const keyOf = ({ hub, prompt, label }: Place): string => canonicalJson({ hub, prompt, label });

/** Each label once, whoever follows it. */
function followedPlaces(state: Parameters<typeof followedLabels>[0], { hub, promptId }: LabelFilter): Place[] {
  const places = new Map<string, Place>();
  for (const { place, promptId: own } of followedLabels(state)) {
    if (hub !== undefined && place.hub !== hub) continue;
    if (promptId !== undefined && own !== promptId) continue;
    places.set(keyOf(place), place);
  }
  return [...places.values()];
}

function rotated(places: readonly Place[], { bytes }: Random): Place[] {
  if (places.length < 2) return [...places];
  const start = new DataView(Uint8Array.from(bytes(4)).buffer).getUint32(0) % places.length;
  return [...places.slice(start), ...places.slice(0, start)];
}

async function readLabels(deps: CheckPromptLabelsDeps, places: readonly Place[]) {
  const { clock, labelsMax = 500, checkMs = 120_000 } = deps;
  const until = clock.now() + checkMs;
  const readings = new Map<string, LabelReading>();
  const silent = new Map<HubId, number>();
  let asked = 0;
  for (const place of places) {
    if (asked >= labelsMax || clock.now() >= until) break;
    const inARow = silent.get(place.hub) ?? 0;
    if (inARow >= SILENT_MAX) continue;
    asked += 1;
    const reading = await readingOf(deps, place);
    const isSilent = reading instanceof RouterError && reading.code === "upstream_unavailable";
    silent.set(place.hub, isSilent ? inARow + 1 : 0);
    if (!(reading instanceof RouterError)) readings.set(keyOf(place), reading);
  }
  return { asked, readings };
}

async function readingOf(
  { hubs, log, counters }: CheckPromptLabelsDeps,
  place: Place,
): Promise<LabelReading | RouterError> {
  try {
    const { version, text } = await hubOf(hubs, place.hub).resolve(place);
    return { version, digest: promptOf(text).digest };
  } catch (thrown) {
    if (!(thrown instanceof RouterError)) throw thrown;
    counters.add("segue_prompt_label_failures_total", { hub: place.hub, reason: thrown.reason });
    log.warn(`${hubPromptName(place)} could not be read`, { error: thrown.message });
    return thrown;
  }
}
