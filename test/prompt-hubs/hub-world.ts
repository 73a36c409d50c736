import type { PromptHub } from "../../src/core/hub-prompt.ts";
import { arizeHub } from "../../src/prompt-hubs/arize.ts";
import { phoenixHub } from "../../src/prompt-hubs/phoenix.ts";
import { fakeArize } from "../fakes/arize/arize.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";
import type { Fault } from "../fakes/vendor/faults.ts";

export interface HubVersion {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly format?: "MUSTACHE" | "F_STRING" | "NONE";
  readonly model?: string;
  readonly temperature?: number;
  readonly tools?: number;
}

/** A vendor's hub, its client, and what a test may do to it. */
export interface HubWorld {
  readonly url: string;
  readonly hub: PromptHub;
  /** Adds a version of a prompt. @returns its id */
  readonly add: (prompt: string, version: HubVersion) => string;
  readonly label: (versionId: string, label: string) => void;
  /** All requests fail until the returned function is called. */
  readonly fail: (fault: Fault | number) => () => void;
  /** The paths that were asked for. */
  readonly requests: readonly string[];
  readonly close: () => Promise<void>;
}

export const system = (content: string): HubVersion => ({
  messages: [{ role: "system", content }],
  format: "MUSTACHE",
});

const options = { fetch: (url: string, init: RequestInit) => fetch(url, init), timeoutMs: 5000 };

export async function arizeWorld({ apiKey = "arize-key" } = {}): Promise<HubWorld> {
  const service = await fakeArize();
  const { prompts } = service;
  return {
    url: service.url,
    hub: arizeHub({ ...options, baseUrl: service.url, apiKey }),
    add: (name, { messages, format = "F_STRING", model, temperature, tools = 0 }) => {
      const version = {
        commit_message: "a change",
        provider: "OPEN_AI" as const,
        input_variable_format: format,
        messages: messages.map(({ role, content }) => ({ role: role.toUpperCase() as "SYSTEM", content })),
        ...(model === undefined ? {} : { model }),
        invocation_params: {
          ...(temperature === undefined ? {} : { temperature }),
          ...(tools === 0 ? {} : { tool_config: { tools: Array.from({ length: tools }, () => ({})) } }),
        },
      };
      const known = prompts.prompts.find((prompt) => prompt.name === name);
      return known === undefined ? prompts.add(name, version).version.id : prompts.addVersion(known.id, version).id;
    },
    label: (id, label) => void prompts.setLabels(id, [...prompts.versionOf(id).labels, label]),
    fail: (fault) => service.fail("rest", fault),
    requests: service.requests,
    close: service.close,
  };
}

export async function phoenixWorld({ apiKey = "phoenix-key" } = {}): Promise<HubWorld> {
  const service = await fakePhoenix();
  const { prompts } = service;
  return {
    url: service.url,
    hub: phoenixHub({ ...options, baseUrl: service.url, apiKey }),
    add: (name, { messages, format = "F_STRING", model = "", temperature, tools = 0 }) =>
      prompts.add(name, {
        model_provider: "OPENAI",
        model_name: model,
        template: {
          type: "chat",
          messages: messages.map(({ role, content }) => ({ role: role as "system", content })),
        },
        template_type: "CHAT",
        template_format: format,
        invocation_parameters: { type: "openai", openai: temperature === undefined ? {} : { temperature } },
        ...(tools === 0 ? {} : { tools: { type: "tools", tools: Array.from({ length: tools }, () => ({})) } }),
      }).id,
    label: (id, label) => prompts.tag(id, label),
    fail: (fault) => service.fail("rest", fault),
    requests: service.requests,
    close: service.close,
  };
}
