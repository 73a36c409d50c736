import { Worker } from "node:worker_threads";
import type { Done, Job } from "./loop-job.ts";

/**
 * Does the jobs on several threads, each of which has one at a time.
 * @param files the tables that every thread reads
 * @returns what came of each, in the order of the jobs
 * @throws the first error of any thread
 */
export async function doJobs(
  jobs: readonly Job[],
  {
    files,
    threads,
    onDone,
  }: {
    readonly files: readonly string[];
    readonly threads: number;
    readonly onDone: (job: Job, done: Done) => void;
  },
): Promise<readonly Done[]> {
  const results: Done[] = [];
  const waiting = [...jobs.entries()];
  const thread = async (): Promise<void> => {
    const worker = new Worker(new URL("loop-worker.ts", import.meta.url), { workerData: files });
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [index, job] = next;
        const done = await answerOf(worker, job);
        results[index] = done;
        onDone(job, done);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, thread));
  return results;
}

const answerOf = (worker: Worker, job: Job): Promise<Done> =>
  new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (done: Done) => {
      worker.off("error", reject);
      resolve(done);
    });
    worker.postMessage(job, []);
  });
