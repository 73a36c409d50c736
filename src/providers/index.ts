import { openaiProvider } from "./openai.ts";

/** Every kind of provider that a configuration can name. */
export const providerKinds = { openai: openaiProvider } as const;
export type ProviderKind = keyof typeof providerKinds;
