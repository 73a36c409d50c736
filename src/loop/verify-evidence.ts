import type { Actor } from "../core/actor.ts";
import { ENGINE_VERSION } from "../core/basis.ts";
import { RouterError } from "../core/errors.ts";
import { fold } from "../core/fold.ts";
import { parseEntry, type LedgerEntry } from "../core/ledger.ts";
import { nearestName } from "../core/nearest-name.ts";
import { emptyState, type ControlState } from "../core/state.ts";
import type { Phase, Switchover } from "../core/switchover.ts";
import type { Ledger } from "../ports.ts";
import { checkPhase } from "./check-phase.ts";
import { check, checkProposal, type Check } from "./check-proposal.ts";
import { withProposal } from "./reconcile.ts";

/** What came of deciding one proposal, and all that followed from it, again. */
export interface EvidenceReport {
  readonly id: string;
  /** The version of the rules that it was decided by; where it is not ours, what follows from rules is not looked at. */
  readonly engine: number;
  readonly isOurEngine: boolean;
  readonly agrees: boolean;
  readonly checks: readonly Check[];
}

export interface EvidenceVerification {
  readonly reports: readonly EvidenceReport[];
  /** Proposals without a basis: a person's, or an older version's. */
  readonly without: readonly string[];
}

/** A switchover as the ledger tells it. */
interface Story {
  readonly switchover: Switchover;
  readonly entry: LedgerEntry;
  readonly moves: { readonly id: string; readonly phase: Phase; readonly entry: LedgerEntry }[];
}

const PAGE = 1000;

/**
 * Decides proposals again from the evidence that is stored with them, and says where the result is another one. The chain
 * of hashes is `verifyLedger`'s.
 * @param id a switchover's, or `all`
 * @throws RouterError `not_found` for an id that was never proposed, with the nearest; `invalid_request` for one without
 *   stored evidence
 */
export async function verifyEvidence(ledger: Pick<Ledger, "readStored">, id: string): Promise<EvidenceVerification> {
  const stories = await readStories(ledger);
  const wanted = id === "all" ? [...stories.values()] : [storyOf(stories, id)];
  const withBasis = wanted.filter(({ switchover }) => switchover.change.basis !== undefined);
  const bySeq = new Map([...stories.values()].map((story) => [story.entry.seq, story]));
  const checks = await checkAll(ledger, withBasis, bySeq);
  return {
    reports: withBasis.map((story) => reportOf(story, checks.get(story) ?? [])),
    without: wanted.flatMap((story) => (withBasis.includes(story) ? [] : [story.switchover.id])),
  };
}

function reportOf({ switchover: { id, change } }: Story, checks: readonly Check[]): EvidenceReport {
  const engine = change.basis?.engine ?? 0;
  const agrees = checks.every((one) => one.agrees);
  return { id, engine, isOurEngine: engine === ENGINE_VERSION, agrees, checks };
}

function storyOf(stories: ReadonlyMap<string, Story>, id: string): Story {
  const story = stories.get(id);
  if (story === undefined) {
    const near = nearestName(id, [...stories.keys()]);
    const latest = [...stories.keys()].slice(-5).reverse();
    const known = latest.length === 0 ? "It holds none at all." : `The latest are: ${latest.join(", ")}.`;
    throw new RouterError(
      "not_found",
      `The ledger holds no proposal '${id}'. ${near === null ? "" : `Did you mean '${near}'? `}${known}`,
      { param: "evidence", reason: "switchover_not_found" },
    );
  }
  if (story.switchover.change.basis === undefined)
    throw new RouterError("invalid_request", withoutBasis(id, story.switchover.proposedBy), {
      param: "evidence",
      reason: "no_evidence",
    });
  return story;
}

const withoutBasis = (id: string, by: Actor): string =>
  by.kind === "loop"
    ? `'${id}' was proposed by a version of Segue that did not store what it decided on: only its hash can be verified, with 'segue audit verify'.`
    : `'${id}' was not decided by the loop but by a person, so there is no evidence to decide it from again.`;

async function* pagesOf(ledger: Pick<Ledger, "readStored">): AsyncGenerator<LedgerEntry[]> {
  let seq = 0;
  for (;;) {
    const page = (await ledger.readStored(seq, PAGE)).map(parseEntry);
    if (page.length > 0) yield page;
    if (page.length < PAGE) return;
    seq += page.length;
  }
}

async function readStories(ledger: Pick<Ledger, "readStored">): Promise<Map<string, Story>> {
  const stories = new Map<string, Story>();
  for await (const page of pagesOf(ledger))
    for (const entry of page) {
      const { event } = entry;
      if (event.type === "switchover.proposed")
        stories.set(event.switchover.id, { switchover: event.switchover, entry, moves: [] });
      if (event.type === "switchover.moved")
        stories.get(event.id)?.moves.push({ id: event.id, phase: event.phase, entry });
    }
  return stories;
}

/** What to look at once the ledger is folded up to an entry. */
type Task = (state: ControlState) => void;

/** Folds the ledger once, and stops wherever something was decided. */
async function checkAll(
  ledger: Pick<Ledger, "readStored">,
  stories: readonly Story[],
  bySeq: ReadonlyMap<number, Story>,
): Promise<Map<Story, Check[]>> {
  const found = new Map<Story, Check[]>();
  const tasks = new Map<number, Task[]>();
  const at = (seq: number, task: Task): void => void tasks.set(seq, [...(tasks.get(seq) ?? []), task]);
  for (const story of stories) {
    const checks: Check[] = [];
    found.set(story, checks);
    at(headOf(story), (state) => checks.push(...checkStory(state, story, bySeq)));
    for (const move of story.moves) at(move.entry.seq - 1, (state) => checks.push(...checkPhase(state, move)));
  }
  let state = emptyState;
  for (const task of tasks.get(0) ?? []) task(state);
  for await (const page of pagesOf(ledger)) {
    let rest = page;
    while (rest.length > 0) {
      const stop = rest.findIndex(({ seq }) => tasks.has(seq));
      const count = stop === -1 ? rest.length : stop + 1;
      state = fold(state, rest.slice(0, count));
      for (const task of tasks.get(state.head.seq) ?? []) task(state);
      rest = rest.slice(count);
    }
  }
  return found;
}

/** The entry that the decision knew last; those between it and the proposal are of the same pass. */
const headOf = ({ switchover, entry }: Story): number => Math.min(switchover.change.basis?.head ?? 0, entry.seq - 1);

function checkStory(state: ControlState, story: Story, bySeq: ReadonlyMap<number, Story>): Check[] {
  const { switchover, entry } = story;
  const { basis } = switchover.change;
  if (basis === undefined) return [];
  // Proposals of the same pass counted for the guards of those behind them.
  let planned = state;
  for (let seq = headOf(story) + 1; seq < entry.seq; seq++) {
    const event = bySeq.get(seq)?.entry.event;
    if (event !== undefined) planned = withProposal(planned, event);
  }
  return [check("time", switchover.phase.since, entry.at), ...checkProposal(planned, switchover, basis)];
}
