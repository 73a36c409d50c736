import { Worker } from "node:worker_threads";
import type { Clock, Counters, Deadline, Deadlines, Log } from "../../ports.ts";
import type { ContentRunner } from "./content-encoder.ts";
import type { ContentJob, EncodedContent } from "./encode-content.ts";

const JOB_MS = 8000;
const JOBS_MAX = 16;
const MEMORY_MB = 256;

export interface ContentThreadOptions {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly counters: Counters;
  readonly log: Log;
  /** For tests. */
  readonly file?: URL;
}

interface Waiting {
  readonly resolve: (encoded: EncodedContent) => void;
  readonly reject: (error: Error) => void;
  readonly deadline: Deadline;
}

/**
 * Redacts and encodes content in a thread of its own, so that it delays no request. A thread that dies, or takes longer than
 * 8 s for a job, loses the jobs that it had; the next job starts another (`segue_content_thread_restarts_total`).
 * Takes 16 jobs at once, and refuses more.
 */
export function contentThread({ clock, deadlines, counters, log, file }: ContentThreadOptions): ContentRunner {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let nextId = 0;
  const settle = (id: number): Waiting | undefined => {
    const found = waiting.get(id);
    found?.deadline.end();
    waiting.delete(id);
    return found;
  };
  const lose = (lost: Worker, why: string): void => {
    if (worker !== lost) return;
    worker = null;
    counters.add("segue_content_thread_restarts_total");
    log.warn("the thread that redacts content ended; the next content starts another", { why, jobs: waiting.size });
    for (const id of waiting.keys()) settle(id)?.reject(new Error(`the thread that redacts content ended: ${why}`));
    void lost.terminate();
  };
  const start = (): Worker => {
    const started = new Worker(file ?? contentWorker, { resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB } });
    // What a thread threw may quote content, so only its kind is told.
    started.on("error", (error) => lose(started, error instanceof Error ? error.name : "error"));
    started.on("exit", (code) => lose(started, `exit ${code}`));
    started.on("message", ({ id, encoded }: { readonly id: number; readonly encoded: EncodedContent }) =>
      settle(id)?.resolve(encoded),
    );
    started.unref();
    return started;
  };
  return {
    run: async (job) => {
      if (waiting.size >= JOBS_MAX) throw new Error(`the thread that redacts content has ${JOBS_MAX} jobs already`);
      const running = (worker ??= start());
      const id = nextId++;
      const own = ownMemory(job);
      // Before anything waits: where this throws, nobody would take the promise that the deadline rejects.
      running.postMessage({ id, job: own }, buffersOf(own));
      const { promise, resolve, reject } = Promise.withResolvers<EncodedContent>();
      const deadline = deadlines.watch(() => lose(running, `no answer within ${JOB_MS} ms`));
      deadline.dueAt = clock.now() + JOB_MS;
      waiting.set(id, { resolve, reject, deadline });
      return promise;
    },
    close: async () => {
      const closed = worker;
      worker = null;
      for (const id of waiting.keys()) settle(id)?.reject(new Error("the thread that redacts content was closed"));
      await closed?.terminate();
    },
  };
}

/** Beside this file, which is JavaScript in the published package. */
const contentWorker = new URL(`./content-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Copies content into memory that can be handed over: what it is a part of may be large, and is still in use. */
function ownMemory({ privacies, tasks }: ContentJob): ContentJob {
  return {
    privacies,
    tasks: tasks.map((task) => {
      const { request, answer } = task.content;
      // A slice of a Buffer, as the spool reads them, would be a part of the same memory.
      return { ...task, content: { ...task.content, request: new Uint8Array(request), answer: [joined(answer)] } };
    }),
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

const buffersOf = ({ tasks }: ContentJob): ArrayBuffer[] =>
  tasks.flatMap(({ content: { request, answer } }) =>
    [request, ...answer].map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer),
  );
