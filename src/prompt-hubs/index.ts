import type { PromptHubs } from "../core/hub-prompt.ts";
import { arizeHub } from "./arize.ts";
import type { HubConnection } from "./hub-request.ts";
import { phoenixHub } from "./phoenix.ts";

/** The part of the configuration that says which hubs there are. */
export interface HubSettings {
  readonly SEGUE_ARIZE_URL: string;
  readonly SEGUE_ARIZE_API_KEY?: string | undefined;
  readonly SEGUE_ARIZE_SPACE_ID?: string | undefined;
  readonly SEGUE_PHOENIX_URL?: string | undefined;
  readonly SEGUE_PHOENIX_API_KEY?: string | undefined;
}

/** The hubs that are configured. */
export function promptHubs(settings: HubSettings, fetch: HubConnection["fetch"], timeoutMs = 10_000): PromptHubs {
  const { SEGUE_ARIZE_API_KEY: apiKey, SEGUE_PHOENIX_URL: phoenixUrl } = settings;
  const shared = { fetch, timeoutMs };
  return {
    ...(apiKey === undefined
      ? {}
      : {
          arize: arizeHub({
            ...shared,
            baseUrl: settings.SEGUE_ARIZE_URL,
            apiKey,
            spaceId: settings.SEGUE_ARIZE_SPACE_ID,
          }),
        }),
    ...(phoenixUrl === undefined
      ? {}
      : { phoenix: phoenixHub({ ...shared, baseUrl: phoenixUrl, apiKey: settings.SEGUE_PHOENIX_API_KEY }) }),
  };
}
