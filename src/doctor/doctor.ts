import { arizeApiChecks, type ArizeApiSettings } from "./arize-api.ts";
import { arizeOtlpCheck, type ArizeOtlpSettings } from "./arize-otlp.ts";
import { clockCheck } from "./clock.ts";
import { examine, skipped, type Check, type Finding } from "./finding.ts";
import { localChecks, type LocalSettings } from "./local.ts";
import { phoenixChecks, type PhoenixDoctorSettings } from "./phoenix.ts";
import { createProber, type ProberDeps } from "./probe.ts";
import { providerChecks, type ProviderDoctorSettings } from "./providers.ts";

/** What is configured; null where it is not, which is then said. */
export interface DoctorSettings {
  readonly local: LocalSettings;
  readonly providers: readonly ProviderDoctorSettings[];
  readonly arizeApi: ArizeApiSettings | null;
  readonly arizeOtlp: ArizeOtlpSettings | null;
  readonly phoenix: PhoenixDoctorSettings | null;
}

/** Looks at everything that Segue is configured to use; nothing is changed, and nobody else is asked. */
export async function diagnose(deps: ProberDeps, settings: DoctorSettings): Promise<readonly Finding[]> {
  const prober = createProber(deps);
  const { local, providers, arizeApi, arizeOtlp, phoenix } = settings;
  return examine([
    ...localChecks(local),
    ...providerChecks(prober, providers),
    arizeOtlp === null
      ? notConfigured("arize-otlp", "Arize: spans over OTLP", "SEGUE_ARIZE_API_KEY and SEGUE_ARIZE_SPACE_ID")
      : arizeOtlpCheck(prober, arizeOtlp),
    ...(arizeApi === null
      ? [notConfigured("arize-monitors", "Arize: monitors over REST", "SEGUE_ARIZE_API_KEY")]
      : arizeApiChecks(prober, arizeApi)),
    ...(phoenix === null
      ? [notConfigured("phoenix-read", "Phoenix: reading", "SEGUE_PHOENIX_URL")]
      : phoenixChecks(prober, phoenix)),
    clockCheck(prober),
  ]);
}

const notConfigured = (id: string, title: string, variables: string): Check => ({
  id,
  title,
  run: () => Promise.resolve(skipped("not configured", `To use it, set ${variables}.`)),
});
