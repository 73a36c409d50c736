import type { Actor } from "../core/actor.ts";
import { RouterError } from "../core/errors.ts";
import { hubOf, hubPromptName, type HubId, type PromptHubs } from "../core/hub-prompt.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import { promptOf } from "../core/policy-source.ts";
import { followedLabels, proposalEvents, type FollowedLabel, type LabelReading } from "../core/prompt-proposal.ts";
import type { ControlPlane, Counters, Log } from "../ports.ts";

export interface CheckPromptLabelsDeps {
  readonly controlPlane: Pick<ControlPlane, "state" | "commit">;
  readonly hubs: PromptHubs;
  readonly log: Pick<Log, "warn">;
  readonly counters: Counters;
  /** How many labels one check asks for; 500 when absent. */
  readonly labelsMax?: number;
}

/** The labels to ask for; all that are followed when absent. */
export interface LabelFilter {
  readonly hub?: HubId | undefined;
  /** The hub's own id of a prompt. */
  readonly promptId?: string | undefined;
}

export interface LabelCheck {
  readonly asked: number;
  readonly failed: number;
  readonly proposed: number;
  readonly withdrawn: number;
}

/**
 * Asks where the labels of published variants are now, and records a proposal for each that is on another text, or that it
 * is over. Proposes only: what is served stays as it was published. A hub that gives no answer changes nothing.
 */
export async function checkPromptLabels(deps: CheckPromptLabelsDeps, filter: LabelFilter = {}): Promise<LabelCheck> {
  const { controlPlane, log, counters, labelsMax = 500 } = deps;
  const places = followedPlaces(controlPlane.state(), filter);
  const due = [...places.values()].slice(0, labelsMax);
  if (due.length < places.size) {
    counters.add("segue_prompt_labels_skipped_total", {}, places.size - due.length);
    log.warn(`more than ${labelsMax} labels of prompts are followed: the others are not asked for`);
  }
  const readings = new Map<string, LabelReading>();
  for (const place of due) {
    const reading = await readingOf(deps, place);
    if (reading !== null) readings.set(hubPromptName(place), reading);
  }
  const events = { proposed: 0, withdrawn: 0 };
  for (const hub of new Set(due.map((place) => place.hub))) {
    const actor: Actor = { kind: "webhook", source: `${hub}-prompts` };
    const entries = await controlPlane.commit(actor, (state) =>
      proposalEvents(state, (place) => (place.hub === hub ? readings.get(hubPromptName(place)) : undefined)),
    );
    announce(log, entries);
    events.proposed += entries.filter(({ event }) => event.type === "prompt.proposed").length;
    events.withdrawn += entries.filter(({ event }) => event.type === "prompt.withdrawn").length;
  }
  return { asked: due.length, failed: due.length - readings.size, ...events };
}

function announce(log: CheckPromptLabelsDeps["log"], entries: readonly LedgerEntry[]): void {
  for (const { seq, event } of entries) {
    if (event.type !== "prompt.proposed") continue;
    const { policy, variant, version } = event;
    log.warn(`${hubPromptName(event)} is on a text that is not published`, { seq, policy, variant, version });
  }
}

type Place = FollowedLabel["place"];

/** Each label once, whoever follows it. */
function followedPlaces(
  state: Parameters<typeof followedLabels>[0],
  { hub, promptId }: LabelFilter,
): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const { place, promptId: own } of followedLabels(state)) {
    if (hub !== undefined && place.hub !== hub) continue;
    if (promptId !== undefined && own !== promptId) continue;
    places.set(hubPromptName(place), place);
  }
  return places;
}

async function readingOf({ hubs, log, counters }: CheckPromptLabelsDeps, place: Place): Promise<LabelReading | null> {
  try {
    const { version, text } = await hubOf(hubs, place.hub).resolve(place);
    return { version, digest: promptOf(text).digest };
  } catch (thrown) {
    if (!(thrown instanceof RouterError)) throw thrown;
    counters.add("segue_prompt_label_failures_total", { hub: place.hub, reason: thrown.reason });
    log.warn(`${hubPromptName(place)} could not be read`, { error: thrown.message });
    return null;
  }
}
