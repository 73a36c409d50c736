/** Runs jobs one after another, in the order in which they came. */
export interface Queue {
  /** Settles as the job does. A job that fails does not stop those behind it. */
  readonly run: <T>(job: () => Promise<T>) => Promise<T>;
  /** Jobs that have not ended. */
  readonly waiting: () => number;
  /** Settles when all jobs of now have ended. */
  readonly idle: () => Promise<void>;
}

export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    run: (job) => {
      waiting += 1;
      const result = last.then(job).finally(() => {
        waiting -= 1;
      });
      // The caller gets the failure through `result`; the jobs behind it must not.
      last = result.catch(() => undefined);
      return result;
    },
    waiting: () => waiting,
    idle: async () => {
      await last;
    },
  };
}
