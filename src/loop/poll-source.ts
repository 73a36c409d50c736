import { RouterError } from "../core/errors.ts";
import type { ConfiguredSource } from "../core/signal-source.ts";
import { askSource } from "./ask-source.ts";
import { attemptReading, type ReadSourceDeps, type SourceRead } from "./read-source.ts";

/**
 * Reads everything that a source has, whatever its state: this heals lost deliveries and notices what no
 * webhook tells, such as a monitor that has no data any more. Never rejects, because it is called by a timer.
 * @returns null when the source could not be read, which is logged and counted
 */
export async function pollSource(deps: ReadSourceDeps, source: ConfiguredSource): Promise<SourceRead | null> {
  const { read } = await sweep(deps, source, 0);
  return read;
}

/** How a source is, as far as its polls tell. */
export interface SourceStatus {
  readonly id: string;
  /** False until its checks passed, and while it cannot be read. */
  readonly ready: boolean;
  /** What is wrong and what to do about it; for operators only. */
  readonly problem: string | null;
  /** When it was read last, epoch milliseconds. */
  readonly readAt: number | null;
}

/** The polls of one source, which remember how it is. */
export interface SourcePolls {
  readonly id: string;
  /** As `pollSource`; null as well while what its checks ask for is wrong, or while another poll is under way. */
  readonly poll: () => Promise<SourceRead | null>;
  readonly status: () => SourceStatus;
}

/** Has the source's checks pass before its first sweep, and again after a sweep that failed. Each sweep begins where the one before ended. */
export function createSourcePolls(deps: ReadSourceDeps, source: ConfiguredSource): SourcePolls {
  const { id } = source;
  let status: SourceStatus = { id, ready: false, problem: null, readAt: null };
  let isChecked = source.checks.length === 0;
  let isUnderWay = false;
  let from = 0;

  const check = async (): Promise<boolean> => {
    const problem = await problemOf(deps, source);
    if (problem === null) deps.log.info(`${id}: its checks passed`);
    else {
      deps.counters.add("segue_source_failures_total", { source: id });
      // Said once, not at every poll: whoever has to mend it needs time.
      if (problem !== status.problem) deps.log.error(`${id}: it is not read: ${problem}`);
      status = { ...status, ready: false, problem };
    }
    return problem === null;
  };
  const poll = async (): Promise<SourceRead | null> => {
    isChecked ||= await check();
    if (!isChecked) return null;
    const { read, problem, next } = await sweep(deps, source, from);
    from = next;
    isChecked = problem === null || source.checks.length === 0;
    if (read !== null && problem !== null) {
      deps.counters.add("segue_source_failures_total", { source: id });
      // As above: said once.
      if (problem !== status.problem) deps.log.error(`${id}: it was not read in full: ${problem}`);
    }
    status = { id, ready: problem === null, problem, readAt: problem === null ? deps.clock.now() : status.readAt };
    return read;
  };
  return {
    id,
    status: () => status,
    poll: async () => {
      // A paced sweep may take longer than the time to the next one.
      if (isUnderWay) return null;
      isUnderWay = true;
      try {
        return await poll();
      } finally {
        isUnderWay = false;
      }
    },
  };
}

interface Sweep {
  readonly read: SourceRead | null;
  readonly problem: string | null;
  /** The question to begin the next one with. */
  readonly next: number;
}

async function sweep(deps: ReadSourceDeps, source: ConfiguredSource, from: number): Promise<Sweep> {
  const failed = (error: unknown, next: number): Sweep => {
    deps.counters.add("segue_source_failures_total", { source: source.id });
    deps.log.error(`${source.id}: the poll failed`, { error: String(error) });
    return { read: null, problem: messageOf(error), next };
  };
  try {
    const { read, failure, next } = await attemptReading(deps, source, { ref: { kind: "sweep" }, from });
    return failure === null ? { read, problem: read.problem ?? null, next } : failed(failure, next);
  } catch (error) {
    // A host that stops ends every wait; that is no failure of the source.
    return error instanceof Error && error.name === "AbortError"
      ? { read: null, problem: "the poll was stopped", next: from }
      : failed(error, from);
  }
}

/** What the source's checks find first, or null. */
async function problemOf(deps: ReadSourceDeps, source: ConfiguredSource): Promise<string | null> {
  try {
    for (const { request, problemOf: problemIn } of source.checks) {
      const answer = await askSource(deps, source, request);
      const problem =
        answer === null
          ? `there is nothing at ${request.path}: check the base URL ${source.baseUrl}`
          : problemIn(answer);
      if (problem !== null) return problem;
    }
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

const messageOf = (error: unknown): string => (error instanceof RouterError ? error.message : String(error));
