/** What the wait before a probe depends on. Losses are means in [0,1]. */
export interface ProbeStakes {
  /** Of the variant that was left, while it was degraded and while it was well, and of what serves now. */
  readonly lossDegraded: number;
  readonly lossHealthy: number;
  readonly lossServing: number;
  /** Milliseconds since it was left. */
  readonly elapsedMs: number;
  readonly requestsPerHour: number;
}

/**
 * Answers of a degraded variant that a probe costs, more or less: the burst, what is sent while its labels are late, and
 * the chance that a lucky burst makes it longer.
 */
const PROBE_ANSWERS = 150;
/** Answers a minute that a probe asks for. */
const BURST = 12;
/** Shares of the traffic that a probe may take. */
const SHARE = { least: 0.02, most: 0.5 } as const;

/** The share of the traffic that makes about `BURST` answers a minute: labels come late, and what is sent before they do is lost. */
export const probeShare = (requestsPerHour: number): number =>
  Math.min(SHARE.most, Math.max(SHARE.least, BURST / Math.max(1, requestsPerHour / 60)));

/** Less than this to win is not worth a probe in any hurry. */
const GAIN_MIN = 0.01;
const HOUR_MS = 3_600_000;
export const PROBE_WAIT_MAX_MS = 24 * HOUR_MS;

/**
 * Milliseconds to wait between two probes of a variant that was left. A fault that has lasted a time t ends within the
 * next w with a chance of about w/t (an outage of unknown scale: p(T) ∝ 1/T²). Waiting w requests then loses about
 * gain·w²/2t, a probe costs c; the sum per request is least at w = √(2·c·t/gain).
 */
export function probeWaitMs(stakes: ProbeStakes): number {
  const { lossDegraded, lossHealthy, lossServing, elapsedMs, requestsPerHour } = stakes;
  if (requestsPerHour <= 0) return PROBE_WAIT_MAX_MS;
  const gain = Math.max(GAIN_MIN, lossServing - lossHealthy);
  const cost = PROBE_ANSWERS * Math.max(GAIN_MIN, lossDegraded - lossServing);
  const elapsed = (elapsedMs / HOUR_MS) * requestsPerHour;
  const requests = Math.sqrt((2 * cost * elapsed) / gain);
  return Math.min(PROBE_WAIT_MAX_MS, (requests / requestsPerHour) * HOUR_MS);
}
