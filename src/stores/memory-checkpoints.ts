import type { Checkpoints } from "../ports.ts";

/** Checkpoints within one process, kept as text so that nobody shares an object with what was saved. */
export function createMemoryCheckpoints(): Checkpoints {
  const values = new Map<string, string>();
  return {
    load: async (name) => JSON.parse(values.get(name) ?? "null"),
    save: async (name, value) => {
      values.set(name, JSON.stringify(value ?? null));
    },
  };
}
