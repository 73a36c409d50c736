import type { Clock, Deadlines, Log } from "./ports.ts";

/** Runs work again and again, each time after the last has ended. @returns the way to stop, which waits for a run under way */
export function every(
  milliseconds: number,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let isStopped = false;
  const schedule = (): void => {
    timer = setTimeout(() => {
      running = work()
        .then(() => undefined, onError)
        .then(() => (isStopped ? undefined : schedule()));
    }, milliseconds);
  };
  schedule();
  return async () => {
    isStopped = true;
    clearTimeout(timer);
    await running;
  };
}

/** Waits for work, but not longer than this. */
export async function atMost(
  milliseconds: number,
  work: Promise<unknown>,
  { clock, deadlines }: { readonly clock: Clock; readonly deadlines: Deadlines },
): Promise<void> {
  const late = Promise.withResolvers<void>();
  const deadline = deadlines.watch(late.resolve);
  deadline.dueAt = clock.now() + milliseconds;
  await Promise.race([work, late.promise]).finally(deadline.end);
}

/** Records what a flag changed, each time that one did. @returns the way to stop, which waits for what is under way */
export function everyFlagChange(
  onChange: (listener: () => void) => () => void,
  record: () => Promise<unknown>,
  log: Log,
): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  const run = (): void => {
    last = last.then(record).catch((error: unknown) => log.error("a flag's effect was not recorded", { error }));
  };
  run();
  const unfollow = onChange(run);
  return async () => {
    unfollow();
    await last;
  };
}
