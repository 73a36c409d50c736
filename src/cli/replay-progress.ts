import { performance } from "node:perf_hooks";

/** One line on a terminal that is written over and over. */
export interface ProgressLine {
  readonly rows: (rows: number) => void;
  /** @param done requests of this seed so far */
  readonly requests: (seed: number, done: number) => void;
  /** Wipes the line, so that what follows begins on a clean one. */
  readonly clear: () => void;
}

/** Before this the pace says nothing. */
const PACE_AFTER_MS = 500;

/** How far a replay is: the share done and, after a while, its pace and the time left at it. */
export function progressText({
  done,
  total,
  elapsedMs,
}: {
  readonly done: number;
  readonly total: number;
  readonly elapsedMs: number;
}): string {
  const percent = `${Math.floor((done * 100) / total)} %`;
  if (done === 0 || elapsedMs < PACE_AFTER_MS) return percent;
  const perSecond = (done * 1000) / elapsedMs;
  return `${percent}, ${Math.round(perSecond)} requests/s, ${Math.ceil((total - done) / perSecond)} s left`;
}

const CLEAR = "\r\u001b[K";

/** Progress over all seeds on stderr; silent unless it is wanted. */
export function createProgressLine(
  isWanted: boolean,
  { requests, seeds }: { requests: number; seeds: readonly number[] },
): ProgressLine {
  const silent = (): void => undefined;
  if (!isWanted) return { rows: silent, requests: silent, clear: silent };
  const show = (text: string): void => void process.stderr.write(`${CLEAR}${text}`);
  let readAt = performance.now();
  return {
    rows: (rows) => {
      readAt = performance.now();
      show(`reading: ${rows} rows`);
    },
    requests: (seed, done) => {
      const place = seeds.indexOf(seed);
      const elapsedMs = performance.now() - readAt;
      const pace = progressText({ done: place * requests + done, total: seeds.length * requests, elapsedMs });
      show(`seed ${seed}${seeds.length === 1 ? "" : ` (${place + 1} of ${seeds.length})`}: ${pace}`);
    },
    clear: () => void process.stderr.write(CLEAR),
  };
}
