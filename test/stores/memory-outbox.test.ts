import { createMemoryOutbox } from "../../src/stores/memory-outbox.ts";
import { BOUNDS, outboxContract } from "../contracts/outbox.ts";

outboxContract("memory", async (deps) => {
  const outbox = createMemoryOutbox(deps, BOUNDS);
  return { outbox, other: outbox, clean: async () => undefined };
});
