import { Hono } from "hono";
import type { ApiKey } from "../src/core/api-key.ts";
import type { Model } from "../src/gateway/list-models.ts";
import { requires, type Authenticated } from "./auth.ts";

export interface ModelVerbs {
  readonly listModels: (key: ApiKey) => readonly Model[];
  readonly readModel: (key: ApiKey, id: string) => Model;
}

export const modelRoutes = ({ listModels, readModel }: ModelVerbs) =>
  new Hono<Authenticated>()
    .get("/", requires("serve"), (c) => c.json({ object: "list", data: listModels(c.var.key) }))
    .get("/:model", requires("serve"), (c) => c.json(readModel(c.var.key, c.req.param("model"))));
