import { Command } from "commander";
import { providersOf, type Config } from "../config.ts";
import { configureSource } from "../core/signal-source.ts";
import { diagnose, type DoctorSettings } from "../doctor/doctor.ts";
import type { Finding, FindingStatus } from "../doctor/finding.ts";
import { phoenix } from "../sources/phoenix.ts";
import type { CommandContext } from "./context.ts";

/** `segue doctor`: what is wrong with keys, hosts, projects and permissions, and what to do. Ends with 1 when something fails. */
export const doctorCommand = ({ config, output }: CommandContext): Command =>
  new Command("doctor")
    .description("check keys, hosts, projects and permissions, and say what to do about what is wrong")
    .action(async () => {
      const deps = { fetch: globalThis.fetch, clock: { now: () => Date.now() } };
      const findings = await diagnose(deps, doctorSettings(config(), process.env));
      output().result({ findings }, () => doctorText(findings));
      if (findings.some(({ status }) => status === "fail")) process.exitCode = 1;
    });

/** @param environment where the providers' keys are, by the names that the configuration gives */
export function doctorSettings(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): DoctorSettings {
  const {
    SEGUE_ARIZE_API_KEY: apiKey,
    SEGUE_ARIZE_SPACE_ID: spaceId,
    SEGUE_ARIZE_PROJECT_ID: projectId,
    SEGUE_PHOENIX_URL: phoenixUrl,
    SEGUE_PHOENIX_API_KEY: phoenixKey,
    SEGUE_PHOENIX_PROJECT: phoenixProject,
    SEGUE_ARIZE_PROJECT: project,
    SEGUE_ARIZE_OTLP_URL: otlpUrl,
    SEGUE_ARIZE_GRAPHQL_URL: graphqlUrl,
  } = config;
  return {
    local: {
      data: config.SEGUE_DATA,
      flags: config.SEGUE_FLAGS,
      hasLaunchDarklyKey: config.LAUNCHDARKLY_SDK_KEY !== undefined,
    },
    providers: Object.entries(providersOf(config)).map(([id, provider]) => ({
      id,
      kind: provider.kind,
      baseUrl: provider.baseUrl ?? null,
      apiKeyEnv: provider.apiKeyEnv ?? null,
      apiKey: (provider.apiKeyEnv === undefined ? undefined : environment[provider.apiKeyEnv]) || null,
    })),
    arizeOtlp: apiKey === undefined || spaceId === undefined ? null : { otlpUrl, apiKey, spaceId, project },
    arizeApi:
      apiKey === undefined
        ? null
        : {
            url: config.SEGUE_ARIZE_URL,
            apiKey,
            spaceId: spaceId ?? null,
            projectId: projectId ?? null,
            graphqlUrl,
            developerKey: config.SEGUE_ARIZE_DEVELOPER_KEY ?? null,
            hasWebhookSecret: config.SEGUE_ARIZE_WEBHOOK_SECRET !== undefined,
          },
    phoenix:
      phoenixUrl === undefined
        ? null
        : {
            url: phoenixUrl,
            apiKey: phoenixKey ?? null,
            project: phoenixProject,
            source: configureSource(phoenix, {
              baseUrl: phoenixUrl,
              project: phoenixProject,
              ...(phoenixKey === undefined ? {} : { apiKey: phoenixKey }),
            }),
          },
  };
}

const MARKS: Readonly<Record<FindingStatus, string>> = { ok: "✓", warn: "!", fail: "✗", skipped: "-" };

/** A line a finding, and under it what to do. */
export function doctorText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ title, status, detail, fix }) => [
    `${MARKS[status]} ${title}: ${detail}`,
    ...(fix === null ? [] : [`    ${fix}`]),
  ]);
  const count = (wanted: FindingStatus) => findings.filter(({ status }) => status === wanted).length;
  const [failed, warned] = [count("fail"), count("warn")];
  const summary =
    failed + warned === 0 ? "Nothing is wrong." : `${failed} to mend, ${warned} to look at; ${count("ok")} are well.`;
  return [...lines, "", summary].join("\n");
}
