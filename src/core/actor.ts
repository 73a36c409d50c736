import { z } from "zod";

/**
 * Who did it. A `user` is a named person (who may approve), a `key` is a machine's API key (which
 * may not), an `operator` is whoever holds the data directory and runs the CLI on it.
 */
export const Actor = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("user"), id: z.string().min(1), keyId: z.string().min(1) }),
  z.strictObject({ kind: z.literal("key"), id: z.string().min(1) }),
  z.strictObject({ kind: z.literal("operator"), id: z.string().min(1) }),
  z.strictObject({ kind: z.literal("loop"), instance: z.string().min(1) }),
  z.strictObject({ kind: z.literal("flag"), flag: z.string().min(1) }),
  z.strictObject({ kind: z.literal("webhook"), source: z.string().min(1) }),
]);
export type Actor = z.infer<typeof Actor>;

/** One line for logs and tables: `user:alice`, `loop:host-1`. */
export function actorName(actor: Actor): string {
  switch (actor.kind) {
    case "loop":
      return `loop:${actor.instance}`;
    case "flag":
      return `flag:${actor.flag}`;
    case "webhook":
      return `webhook:${actor.source}`;
    case "user":
    case "key":
    case "operator":
      return `${actor.kind}:${actor.id}`;
  }
}

/** True when both name the same person or thing, however they authenticated. */
export const isSameActor = (a: Actor, b: Actor): boolean => actorName(a) === actorName(b);
