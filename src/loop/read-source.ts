import { RouterError } from "../core/errors.ts";
import type { Actor } from "../core/actor.ts";
import type { Clock, ControlPlane, Log } from "../ports.ts";
import type {
  ConfiguredSource,
  SourceContext,
  SourceQuestion,
  SourceReading,
  SourceRef,
} from "../core/signal-source.ts";
import { askSource, type AskSourceDeps } from "./ask-source.ts";
import { recordSignal, refusalOf } from "./record-signal.ts";

export interface ReadSourceDeps extends AskSourceDeps {
  readonly controlPlane: Pick<ControlPlane, "state" | "commit">;
  readonly clock: Clock;
  readonly log: Log;
}

/** What came of reading a source. */
export interface SourceRead {
  readonly recorded: number;
  readonly duplicates: number;
  /** What said nothing to us, by reason. */
  readonly ignored: Readonly<Record<string, number>>;
  /** Why less was seen than there is and what to do about it, whatever else was recorded; absent where all was seen. */
  readonly problem?: string;
}

/** A reading that may have ended early. */
export interface ReadingAttempt {
  readonly read: SourceRead;
  /** `upstream_unavailable`, the first there was; null where every question was answered. */
  readonly failure: RouterError | null;
  /** The question after the last that was reached, where the next reading had best begin. */
  readonly next: number;
}

/** Requests that one question may lead to. */
const PAGES = 50;
/** Of many questions one may be too much for a source; after so many in a row it is the source. */
const FAILURES_IN_A_ROW = 3;

/**
 * Reads what a reference points at, one question after another and with patience, and records the signals in the answers.
 * @throws RouterError `upstream_unavailable`, after whatever could be read was recorded, when the source gave no usable answer
 */
export async function readSource(deps: ReadSourceDeps, source: ConfiguredSource, ref: SourceRef): Promise<SourceRead> {
  const { read, failure } = await attemptReading(deps, source, { ref, from: 0 });
  if (failure !== null) throw failure;
  return read;
}

/**
 * As `readSource`, but tells of a failure instead of throwing it.
 * @param start.from the question to begin with; those before it are asked last, so that some that always fail do not keep
 *   the others from ever being asked
 */
export async function attemptReading(
  deps: ReadSourceDeps,
  source: ConfiguredSource,
  { ref, from }: { readonly ref: SourceRef; readonly from: number },
): Promise<ReadingAttempt> {
  const total: Total = { recorded: 0, duplicates: 0, ignored: {} };
  let failure: RouterError | null = null;
  let inARow = 0;
  let reached = 0;
  const questions = source.questions(ref, contextOf(deps));
  const begin = questions.length === 0 ? 0 : from % questions.length;
  for (const question of [...questions.slice(begin), ...questions.slice(0, begin)]) {
    reached += 1;
    try {
      await pursue(deps, source, question, total);
      inARow = 0;
    } catch (error) {
      if (!(error instanceof RouterError) || error.code !== "upstream_unavailable") throw error;
      failure ??= error;
      inARow += 1;
      if (inARow === FAILURES_IN_A_ROW) break;
    }
  }
  for (const [reason, count] of Object.entries(total.ignored))
    deps.counters.add("segue_source_ignored_total", { source: source.id, reason }, count);
  return { read: total, failure, next: questions.length === 0 ? 0 : (begin + reached) % questions.length };
}

interface Total {
  recorded: number;
  duplicates: number;
  readonly ignored: Record<string, number>;
  problem?: string;
}

/** The state of now, because reading takes time and what serves may change meanwhile. */
const contextOf = ({ controlPlane, clock }: ReadSourceDeps): SourceContext => ({
  targets: controlPlane.state(),
  now: clock.now(),
});

/** Asks a question and whatever its answer leads to. */
async function pursue(deps: ReadSourceDeps, source: ConfiguredSource, first: SourceQuestion, total: Total) {
  const pending = [first];
  for (let page = 0; page < PAGES; page += 1) {
    const question = pending.shift();
    if (question === undefined) return;
    const answer = await askSource(deps, source, question.request);
    if (answer === null && question.otherwise !== undefined) {
      pending.unshift(question.otherwise);
      continue;
    }
    const reading = answer === null ? absent(source, question) : question.toReading(answer.json, contextOf(deps));
    if (reading.problem !== undefined) total.problem ??= reading.problem;
    const { recorded, duplicates, refused } = await record(deps, source, reading);
    total.recorded += recorded;
    total.duplicates += duplicates;
    for (const [reason, count] of [...Object.entries(reading.ignored), ...Object.entries(refused)])
      total.ignored[reason] = (total.ignored[reason] ?? 0) + count;
    pending.push(...(reading.next ?? []));
  }
  if (pending.length === 0) return;
  total.ignored["too-many-pages"] = (total.ignored["too-many-pages"] ?? 0) + 1;
  total.problem ??= `it has more than ${PAGES} pages, of which the rest was not read: limit what is asked for, such as by the space or the project`;
}

/** What was asked for by a reference of its own may be gone; where everything was asked for, it is the address that is wrong. */
const absent = ({ baseUrl }: ConfiguredSource, { request }: SourceQuestion): SourceReading => ({
  signals: [],
  ignored: { "not-found": 1 },
  problem: `there is nothing at ${request.path}: check the base URL ${request.baseUrl ?? baseUrl}`,
});

async function record(deps: ReadSourceDeps, source: ConfiguredSource, { signals }: SourceReading) {
  const { controlPlane, clock, log } = deps;
  const refused: Record<string, number> = {};
  const accepted = signals.filter((signal) => {
    const refusal = refusalOf(signal, controlPlane.state(), clock.now());
    if (refusal === null) return true;
    refused[refusal.reason] = (refused[refusal.reason] ?? 0) + 1;
    log.warn(`${source.id}: a signal was not recorded: ${refusal.message}`);
    return false;
  });
  if (accepted.length === 0) return { recorded: 0, duplicates: 0, refused };
  const actor: Actor = { kind: "webhook", source: source.id };
  const results = await recordSignal({ controlPlane }, { signals: accepted, actor });
  const recorded = results.filter((result) => result.recorded).length;
  return { recorded, duplicates: results.length - recorded, refused };
}
