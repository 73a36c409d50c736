/** Exposures per minute of each `policy/segment`, `[minute, count]`, oldest first, at most an hour of minutes. */
export type Traffic = Record<string, [number, number][]>;

const MINUTES_KEPT = 60;

/** Counts one exposure, in place. */
export function countExposure(traffic: Traffic, key: string, at: number): void {
  const minutes = (traffic[key] ??= []);
  const minute = Math.floor(at / 60_000);
  const last = minutes.at(-1);
  if (last?.[0] === minute) {
    last[1] += 1;
    return;
  }
  minutes.push([minute, 1]);
  if (minutes.length > MINUTES_KEPT) minutes.shift();
}

/** The share in [0,1] of a policy's exposures in the hour before `now` that were `key`'s; 0 when there were none. */
export function trafficShare(traffic: Traffic, policy: string, key: string, now: number): number {
  const from = Math.floor(now / 60_000) - MINUTES_KEPT;
  let own = 0;
  let all = 0;
  for (const [other, minutes] of Object.entries(traffic)) {
    if (!other.startsWith(`${policy}/`)) continue;
    const count = minutes.reduce((sum, [minute, n]) => sum + (minute > from ? n : 0), 0);
    all += count;
    if (other === key) own = count;
  }
  return all === 0 ? 0 : own / all;
}
