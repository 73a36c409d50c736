import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fold } from "../../src/core/fold.ts";
import { chain, EMPTY, parseEntry, verifyChain, type Draft, type StoredEntry } from "../../src/core/ledger.ts";
import { isPublished } from "../../src/core/publication.ts";
import { emptyState, type ControlState } from "../../src/core/state.ts";

/** What a release wrote that knew no prompts of hubs, and the state that it folded it to. */
const old: { readonly entries: readonly StoredEntry[]; readonly state: Omit<ControlState, "promptProposals"> } =
  JSON.parse(readFileSync(new URL("../fixtures/ledgers/before-prompt-hubs.json", import.meta.url), "utf8"));
const replayed = fold(emptyState, old.entries.map(parseEntry));

test("a ledger from before prompts of hubs verifies, and folds to the state that it folded to then", () => {
  expect(verifyChain(EMPTY, old.entries)).toEqual({ head: old.state.head });
  expect(replayed).toEqual({ ...old.state, promptProposals: {} });
});

test("what it published is still published as it is: nothing would be appended", () => {
  const { policy, prompts } = replayed.policies.chat!;
  expect(isPublished(replayed, { policy, prompts })).toBe(true);
});

test("it is gone on with: a prompt of a hub is published, and proposed, behind it", () => {
  const { policy, prompts } = replayed.policies.chat!;
  const source = { hub: "arize", prompt: "support", label: "production", version: "v3" } as const;
  const variants = { ...policy.variants, large: { ...policy.variants.large!, promptSource: source } };
  const proposed = { policy: "chat", variant: "large", hub: "arize", prompt: "support", label: "production" } as const;
  const drafts: Draft[] = [
    { type: "policy.published" as const, policy: { ...policy, variants }, prompts },
    { type: "prompt.proposed" as const, ...proposed, version: "v4", digest: "0".repeat(64) },
  ].map((event) => ({ at: 1_790_000_000_000, actor: { kind: "operator", id: "ann" }, event }));
  const next = fold(replayed, chain(replayed.head, drafts).map(parseEntry));
  expect(next.promptProposals["chat/large"]).toMatchObject({ version: "v4" });
  // Where a text is from is no part of what is served.
  expect(next.variants).toEqual(old.state.variants);
});
