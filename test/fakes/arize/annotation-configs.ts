import { z } from "zod";
import { globalId } from "../vendor/global-id.ts";
import { json, problem, Refusal, type Reply } from "../vendor/reply.ts";
import { bodyOf, nameFilter, pageOf } from "./page.ts";
import type { AxWorld } from "./world.ts";

const direction = z.enum(["MAXIMIZE", "MINIMIZE", "NONE"]).default("NONE");
const base = { name: z.string().min(1), space_id: z.string() };
const CreateConfig = z.discriminatedUnion("annotation_config_type", [
  z.object({
    ...base,
    annotation_config_type: z.literal("CONTINUOUS"),
    minimum_score: z.number(),
    maximum_score: z.number(),
    optimization_direction: direction,
  }),
  z.object({
    ...base,
    annotation_config_type: z.literal("CATEGORICAL"),
    values: z.array(z.object({ label: z.string().min(1), score: z.number().optional() })).min(1),
    optimization_direction: direction,
  }),
  z.object({ ...base, annotation_config_type: z.literal("FREEFORM") }),
]);

/** What an annotation may be called in a space, and what it may hold. */
export interface AnnotationConfig {
  readonly id: string;
  readonly name: string;
  readonly space_id: string;
  readonly type: "CONTINUOUS" | "CATEGORICAL" | "FREEFORM";
  readonly created_at: string;
  readonly [other: string]: unknown;
}

export const listAnnotationConfigs = ({ configs }: AxWorld, query: URLSearchParams): Reply => {
  const { items, pagination } = pageOf(configs.filter(nameFilter(query)), query, { max: 100, usual: 50 });
  return json({ annotation_configs: items, pagination });
};

export function createAnnotationConfig(world: AxWorld, body: Buffer): Reply {
  const { annotation_config_type: type, ...request } = bodyOf(CreateConfig, body);
  if (request.space_id !== world.space.id)
    throw new Refusal(problem(404, "Resource not found", `There is no space '${request.space_id}'.`));
  if (world.configs.some(({ name }) => name === request.name))
    throw new Refusal(problem(409, "Resource conflict", `An annotation config '${request.name}' already exists.`));
  const config: AnnotationConfig = {
    ...request,
    id: globalId("AnnotationConfig", world.configs.length + 1, "aB3d"),
    type,
    created_at: new Date(world.now()).toISOString(),
  };
  world.configs.push(config);
  return json(config, 201);
}
