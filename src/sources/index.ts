import { arize } from "./arize.ts";

/** Every source that can send webhooks, by the name in `/webhooks/:source`. To add one, write its file and a line here. */
export const sources = { [arize.id]: arize };
