import { fail, ok, skipped, warn, type Check, type Found } from "./finding.ts";
import { unreachable, type Prober } from "./probe.ts";

export interface ProviderDoctorSettings {
  readonly id: string;
  /** `openai` and `anthropic` speak those wire formats; others are not asked. */
  readonly kind: string;
  readonly baseUrl: string | null;
  readonly apiKeyEnv: string | null;
  readonly apiKey: string | null;
}

/** Whether each provider can be reached and knows its key: its list of models is asked for, which costs nothing. */
export const providerChecks = (prober: Prober, providers: readonly ProviderDoctorSettings[]): readonly Check[] =>
  providers.map((provider) => ({
    id: `provider-${provider.id}`,
    title: `Provider '${provider.id}'`,
    run: () => providerCheck(prober, provider),
  }));

async function providerCheck(prober: Prober, provider: ProviderDoctorSettings): Promise<Found> {
  const { kind, baseUrl, apiKey, apiKeyEnv } = provider;
  const key = apiKeyEnv ?? "its key";
  if (apiKeyEnv !== null && apiKey === null)
    return fail(`the variable ${apiKeyEnv} is not set, so it is asked without a key`, `Set ${apiKeyEnv}.`);
  if (baseUrl === null || (kind !== "openai" && kind !== "anthropic"))
    return skipped(`${kind} has no list of models that is known here`);
  const url = `${baseUrl.replace(/\/+$/, "")}/models`;
  const answer = await prober.ask({ method: "GET", url, headers: headersOf(kind, apiKey) });
  if (answer.kind === "unreached")
    return unreachable(answer, url, "its baseUrl in SEGUE_PROVIDERS (or OPENAI_BASE_URL)");
  const { status } = answer;
  if (status === 200) return ok(`${url} answers, and takes the key`);
  if (status === 401 || status === 403)
    return fail(
      `${url} does not take the key (${status})`,
      `Correct ${key}; the key must belong to this provider and still be valid.`,
    );
  if (status === 404 || status === 405)
    return warn(
      `${url} is not there (${status}); not every upstream lists its models`,
      "Check that its baseUrl ends with the version, such as /v1, and ask it a question.",
    );
  if (status === 429) return warn(`${url} was asked too often (429)`, "See the provider's limits for this key.");
  return fail(`${url} answered ${status}`, "Try again later, and see the provider's status page.");
}

function headersOf(kind: "openai" | "anthropic", apiKey: string | null): Record<string, string> {
  if (apiKey === null) return {};
  return kind === "openai"
    ? { authorization: `Bearer ${apiKey}` }
    : { "x-api-key": apiKey, "anthropic-version": "2023-06-01" };
}
