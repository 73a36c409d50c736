import { RouterError } from "../core/errors.ts";
import type { ConfiguredSource } from "../core/signal-source.ts";
import { askSource } from "./ask-source.ts";
import { readSource, type ReadSourceDeps, type SourceRead } from "./read-source.ts";

/**
 * Reads everything that a source has, whatever its state: this heals lost deliveries and notices what no
 * webhook tells, such as a monitor that has no data any more. Never rejects, because it is called by a timer.
 * @returns null when the source could not be read, which is logged and counted
 */
export async function pollSource(deps: ReadSourceDeps, source: ConfiguredSource): Promise<SourceRead | null> {
  const poll = await sweep(deps, source);
  return poll.read;
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

/** Has the source's checks pass before its first sweep, and again after a sweep that failed. */
export function createSourcePolls(deps: ReadSourceDeps, source: ConfiguredSource): SourcePolls {
  const { id } = source;
  let status: SourceStatus = { id, ready: false, problem: null, readAt: null };
  let isChecked = source.checks.length === 0;
  let isUnderWay = false;

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
    const { read, problem } = await sweep(deps, source);
    isChecked = problem === null || source.checks.length === 0;
    status = { id, ready: problem === null, problem, readAt: read === null ? status.readAt : deps.clock.now() };
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

async function sweep(deps: ReadSourceDeps, source: ConfiguredSource) {
  try {
    return { read: await readSource(deps, source, { kind: "sweep" }), problem: null };
  } catch (error) {
    // A host that stops ends every wait; that is no failure of the source.
    if (error instanceof Error && error.name === "AbortError") return { read: null, problem: "the poll was stopped" };
    deps.counters.add("segue_source_failures_total", { source: source.id });
    deps.log.error(`${source.id}: the poll failed`, { error: String(error) });
    return { read: null, problem: messageOf(error) };
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
