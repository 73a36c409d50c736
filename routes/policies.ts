import { Hono } from "hono";
import { z } from "zod";
import type { Actor } from "../src/core/actor.ts";
import { Policy, Prompt } from "../src/core/policy.ts";
import type { PromptProposal } from "../src/core/prompt-proposal.ts";
import type { Published } from "../src/core/state.ts";
import { mayUsePolicy, requirePolicy } from "../src/gateway/authenticate.ts";
import type { PublishInput, PublishResult } from "../src/loop/publish-policy.ts";
import { requires, type Authenticated } from "./auth.ts";
import { jsonBody } from "./json-body.ts";

export interface PolicyVerbs {
  readonly list: () => {
    readonly revision: number;
    readonly policies: readonly Published[];
    readonly promptProposals: readonly PromptProposal[];
  };
  readonly publish: (input: PublishInput & { readonly actor: Actor }) => Promise<PublishResult>;
}

const PublishBody = z.strictObject({
  policies: z
    .array(z.strictObject({ policy: Policy, prompts: z.record(z.string(), Prompt).default({}) }))
    .min(1)
    .max(100),
  /** The revision that the plan was made on. */
  expected_revision: z.int().nonnegative().nullable().default(null),
});

/** `/api/policies`: what is published, and publishing, all or none. */
export const policyRoutes = (verbs: PolicyVerbs) =>
  new Hono<Authenticated>()
    .get("/", requires("read"), (c) => {
      const { revision, policies, promptProposals } = verbs.list();
      return c.json({
        revision,
        policies: policies.filter(({ policy }) => mayUsePolicy(c.var.key, policy.policy)),
        promptProposals: promptProposals.filter(({ policy }) => mayUsePolicy(c.var.key, policy)),
      });
    })
    .post("/", requires("publish"), async (c) => {
      const { policies, expected_revision: expectedRevision } = await jsonBody(c, PublishBody);
      for (const [index, { policy }] of policies.entries())
        requirePolicy(c.var.key, policy.policy, `policies.${index}.policy.policy`);
      return c.json(await verbs.publish({ policies, expectedRevision, actor: c.var.actor }));
    });
