import { fail, ok, skipped, warn, type Check } from "./finding.ts";
import type { Prober } from "./probe.ts";

/** From here on signals are dated wrongly enough to be mistaken for older ones. */
const WARN_MS = 30_000;
/** From here on signed webhooks are refused, and signals lie too far ahead to be recorded. */
const FAIL_MS = 300_000;

/** Whether our clock agrees with those of everybody who was asked before; so it comes last. */
export const clockCheck = (prober: Pick<Prober, "skews">): Check => ({
  id: "clock",
  title: "Clock",
  run: () => {
    const skews = [...prober.skews()].sort(([, a], [, b]) => Math.abs(a) - Math.abs(b));
    // The middle one: a single host may be wrong itself.
    const [host, skewMs] = skews[Math.floor((skews.length - 1) / 2)] ?? [];
    if (host === undefined || skewMs === undefined)
      return Promise.resolve(skipped("nobody who answered told the time"));
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    const detail = `this clock is ${seconds} s ${skewMs > 0 ? "behind" : "ahead of"} that of ${host}`;
    const fix = "Let this host keep its time by NTP.";
    if (Math.abs(skewMs) >= FAIL_MS) return Promise.resolve(fail(`${detail}: signed webhooks are refused`, fix));
    return Promise.resolve(Math.abs(skewMs) >= WARN_MS ? warn(detail, fix) : ok(detail));
  },
});
