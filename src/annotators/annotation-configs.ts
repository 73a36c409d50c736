import { z } from "zod";
import type { AnnotatedMetric } from "../core/annotation.ts";
import type { Delivery, Log } from "../ports.ts";
import { ask, parsedJson, type Answer, type AskDeps } from "./ask.ts";

export interface AnnotationConfigOptions {
  /** Of REST v2, such as https://api.arize.com. */
  readonly url: string;
  readonly apiKey: string;
  readonly spaceId: string;
  /** What is known here of a metric, or null. */
  readonly metricOf: (name: string) => AnnotatedMetric | null;
}

/** Arize AX takes an annotation only where a config of its name exists in the space. */
export interface AnnotationConfigs {
  /** Creates those that are missing. `blocked` says why some can be neither found nor created. */
  readonly ensure: (
    names: readonly string[],
  ) => Promise<
    | { readonly kind: "ensured"; readonly created: readonly string[]; readonly blocked: ReadonlyMap<string, Delivery> }
    | Extract<Delivery, { readonly kind: "unavailable" }>
  >;
}

const BLOCKED_MS = 10 * 60_000;
const PAGES = 10;

const Page = z.object({
  annotation_configs: z.array(z.object({ name: z.string() })),
  pagination: z.object({ has_more: z.boolean().optional(), next_cursor: z.string().nullish() }).optional(),
});

/** @returns configs by REST v2 `/v2/annotation-configs`, asked each time: people delete them */
export function annotationConfigs(
  deps: AskDeps & { readonly log: Log },
  { url, apiKey, spaceId, metricOf }: AnnotationConfigOptions,
): AnnotationConfigs {
  const endpoint = `${url.replace(/\/+$/, "")}/v2/annotation-configs`;
  const headers = { authorization: `Bearer ${apiKey}` };
  const told = new Set<string>();

  /** Unknown where the key may not list them. */
  const find = async (
    name: string,
  ): Promise<"there" | "missing" | "unknown" | Extract<Answer, { kind: "unavailable" }>> => {
    let cursor: string | null = null;
    for (let page = 0; page < PAGES; page++) {
      const query = new URLSearchParams({ space_id: spaceId, name, limit: "100" });
      if (cursor !== null) query.set("cursor", cursor);
      const answer: Answer = await ask(deps, { method: "GET", url: `${endpoint}?${query.toString()}`, headers });
      if (answer.kind === "unavailable") return answer;
      const parsed = answer.kind === "answered" ? Page.safeParse(parsedJson(answer.text)) : undefined;
      if (parsed?.success !== true) return "unknown";
      // The vendor's `name` finds parts of names.
      if (parsed.data.annotation_configs.some((config) => config.name === name)) return "there";
      cursor = parsed.data.pagination?.next_cursor ?? null;
      if (cursor === null) return "missing";
    }
    return "unknown";
  };

  const create = async (name: string): Promise<"created" | "there" | Delivery> => {
    const body = configOf(name, spaceId, metricOf(name));
    const answer = await ask(deps, { method: "POST", url: endpoint, headers, body });
    if (answer.kind === "answered") {
      deps.log.info(`Arize AX: the annotation config '${name}' was created, so that feedback can be kept there.`);
      told.delete(name);
      return "created";
    }
    if (answer.kind === "unavailable") return answer;
    if (answer.kind === "refused" && answer.status === 409) return "there";
    // Once, not for each attempt.
    if (!told.has(name))
      deps.log.error(
        `Arize AX: the annotation config '${name}' is missing and could not be created: ${answer.problem}. Create it by hand in the space '${spaceId}' (${inWords(body)}), or let the API key create annotation configs; its feedback waits.`,
      );
    told.add(name);
    return {
      kind: "later",
      problem: `its annotation config could not be created: ${answer.problem}`,
      afterMs: BLOCKED_MS,
    };
  };

  return {
    ensure: async (names) => {
      const created: string[] = [];
      const blocked = new Map<string, Delivery>();
      for (const name of names) {
        const found = await find(name);
        if (typeof found !== "string") return found;
        if (found === "there") continue;
        const outcome = await create(name);
        if (outcome === "created") created.push(name);
        else if (typeof outcome !== "string" && outcome.kind === "unavailable") return outcome;
        // Where it could not be looked for, it may be there all the same.
        else if (typeof outcome !== "string" && found === "missing") blocked.set(name, outcome);
      }
      return { kind: "ensured", created, blocked };
    },
  };
}

function configOf(name: string, spaceId: string, metric: AnnotatedMetric | null) {
  const about = {
    name,
    space_id: spaceId,
    ...(metric === null ? {} : { optimization_direction: metric.better === "higher" ? "MAXIMIZE" : "MINIMIZE" }),
  };
  const values = Object.entries(metric?.labels ?? {}).map(([label, score]) => ({ label, score }));
  return values.length === 0
    ? { ...about, annotation_config_type: "CONTINUOUS", minimum_score: 0, maximum_score: 1 }
    : { ...about, annotation_config_type: "CATEGORICAL", values };
}

const inWords = (config: ReturnType<typeof configOf>): string =>
  "values" in config
    ? `categorical, ${config.values.map(({ label, score }) => `${label} = ${score}`).join(", ")}`
    : "continuous, 0 to 1";
