import { contentHandling, DEFAULT_PRIVACY, type HiddenValue } from "../../core/privacy.ts";
import type { Policy } from "../../core/policy.ts";
import { segmentsOf } from "../../core/state.ts";
import type { Counters } from "../../ports.ts";
import type { ContentEncoder, ContentItem } from "../spans/span-buffer.ts";
import {
  encodeContent,
  type ContentJob,
  type ContentTask,
  type EncodedContent,
  type TextPrivacy,
} from "./encode-content.ts";

/** Where content is redacted and encoded. */
export interface ContentRunner {
  /** Rejects when the job could not be done. */
  readonly run: (job: ContentJob) => Promise<EncodedContent>;
  readonly close: () => Promise<void>;
}

/** For hosts without threads: in this one. */
export const inlineRunner: ContentRunner = {
  run: async (job) => encodeContent(job),
  close: async () => {},
};

/** With what a request's own values are, which the content may repeat. */
export interface IdentifiedContent extends ContentItem {
  readonly hidden?: readonly HiddenValue[];
}

export interface ContentEncoderOptions {
  readonly runner: ContentRunner;
  /** The policy as it is now: content that waited for a collector leaves by today's rules, and not at all where its policy or segment is gone. */
  readonly policyOf: (id: string) => Policy | undefined;
  readonly counters: Counters;
}

/** Redacts and encodes content as the policies say. What does not leave is counted (`segue_span_content_dropped_total`). */
export function createContentEncoder({ runner, policyOf, counters }: ContentEncoderOptions): ContentEncoder {
  return {
    encode: async (items: readonly IdentifiedContent[]) => {
      const job = jobOf(items, policyOf);
      const off = items.length - job.tasks.length;
      if (off > 0) counters.add("segue_span_content_dropped_total", { reason: "off" }, off);
      const encoded = job.tasks.length === 0 ? [] : await runner.run(job);
      const failed = encoded.filter((bytes) => bytes === null).length;
      if (failed > 0) counters.add("segue_span_content_dropped_total", { reason: "not_encoded" }, failed);
      const results: (Uint8Array | null)[] = items.map(() => null);
      for (const [i, { item }] of job.tasks.entries()) results[item] = encoded[i] ?? null;
      return results;
    },
  };
}

interface PlacedTask extends ContentTask {
  readonly item: number;
}

interface PlacedJob extends ContentJob {
  readonly tasks: readonly PlacedTask[];
}

function jobOf(items: readonly IdentifiedContent[], policyOf: ContentEncoderOptions["policyOf"]): PlacedJob {
  const privacies: TextPrivacy[] = [];
  const known = new Map<string, { readonly privacy: number; readonly exported: ReadonlySet<string> } | null>();
  const ofPolicy = (id: string) => {
    const policy = policyOf(id);
    if (policy === undefined) return null;
    const { patterns, phoneCountries } = policy.privacy ?? DEFAULT_PRIVACY;
    const exported = segmentsOf(policy).filter((spec) => contentHandling(policy.privacy, spec) === "redacted");
    return {
      privacy: privacies.push({ patterns, phoneCountries }) - 1,
      exported: new Set(exported.map(({ id }) => id)),
    };
  };
  const tasks = items.flatMap(({ policy, segment, wire, content, hidden = [] }, item): PlacedTask[] => {
    if (!known.has(policy)) known.set(policy, ofPolicy(policy));
    const found = known.get(policy) ?? null;
    if (found === null || !found.exported.has(segment)) return [];
    return [{ item, wire, content, hidden, privacy: found.privacy }];
  });
  return { privacies, tasks };
}
