import type { Config } from "../config.ts";
import { createClient, type Client } from "./client.ts";
import type { Output } from "./output.ts";

/** What every command may use; read when it runs, for options are parsed after commands are built. */
export interface CommandContext {
  readonly config: () => Config;
  readonly output: () => Output;
  readonly client: () => Client;
}

export const commandContext = (config: () => Config, output: () => Output): CommandContext => ({
  config,
  output,
  client: () => createClient(config()),
});
