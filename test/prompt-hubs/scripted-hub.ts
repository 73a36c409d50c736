import { RouterError } from "../../src/core/errors.ts";
import type { PromptHub, ResolvedPrompt } from "../../src/core/hub-prompt.ts";

/** A hub of one test: what each label and version is, changed at will. */
export function scriptedHub() {
  const asked: string[] = [];
  const labels = new Map<string, string>();
  const versions = new Map<string, Partial<ResolvedPrompt>>();
  const state = { isDown: false };
  const hub: PromptHub = {
    resolve: async ({ prompt, label, version = labels.get(label ?? "") ?? "" }) => {
      asked.push(label ?? version);
      if (state.isDown)
        throw new RouterError("upstream_unavailable", "It is down. Wait.", { reason: "hub_unavailable" });
      const found = versions.get(version);
      if (found === undefined) throw new RouterError("not_found", "It has none. Look.", { reason: "unknown_prompt" });
      return { promptId: "p1", name: prompt, version, text: "", model: null, parameters: {}, ...found };
    },
  };
  return {
    hub,
    /** The labels and versions that were asked for. */
    asked,
    /** Adds a version, and moves the label on to it. */
    add: (version: string, text: string, { label, ...more }: { label?: string } & Partial<ResolvedPrompt> = {}) => {
      versions.set(version, { text, ...more });
      if (label !== undefined) labels.set(label, version);
    },
    labels,
    state,
  };
}
