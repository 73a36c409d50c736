import type { ApiKey } from "../core/api-key.ts";
import { RouterError } from "../core/errors.ts";
import type { ControlPlane } from "../ports.ts";
import { mayUsePolicy, requirePolicy } from "./authenticate.ts";

/** A policy in the shape of OpenAI's model list. */
export interface Model {
  readonly id: string;
  readonly object: "model";
  /** Epoch seconds at which its current version was published. */
  readonly created: number;
  readonly owned_by: "segue";
}

interface ModelDeps {
  readonly controlPlane: Pick<ControlPlane, "state">;
}

/** The policies that the key may name as `model`. */
export function listModels({ controlPlane }: ModelDeps, key: ApiKey): readonly Model[] {
  return Object.entries(controlPlane.state().policies)
    .filter(([id]) => mayUsePolicy(key, id))
    .map(([id, { at }]) => model(id, at));
}

/** Throws `RouterError` `not_found` or `forbidden`. */
export function readModel({ controlPlane }: ModelDeps, key: ApiKey, id: string): Model {
  const { policies } = controlPlane.state();
  const published = Object.hasOwn(policies, id) ? policies[id] : undefined;
  if (published === undefined) throw unknownModel(id, Object.keys(policies), key);
  requirePolicy(key, id, "model");
  return model(id, published.at);
}

/** Names the policies that the key may use instead. */
export function unknownModel(id: string, policies: Iterable<string>, key: ApiKey): RouterError {
  const usable = [...policies].filter((policy) => mayUsePolicy(key, policy));
  const hint = usable.length === 0 ? "no policy is published for this key" : `use one of: ${usable.join(", ")}`;
  return new RouterError("not_found", `The model '${id.slice(0, 80)}' is not a policy here; ${hint}.`, {
    param: "model",
    reason: "model_not_found",
  });
}

const model = (id: string, at: number): Model => ({
  id,
  object: "model",
  created: Math.floor(at / 1000),
  owned_by: "segue",
});
