import { Command } from "commander";
import { RouterError } from "../core/errors.ts";
import type { DemoUpstream } from "../demo/demo-upstream.ts";
import type { CommandContext } from "./context.ts";

interface Options {
  seed: string;
  yes?: boolean;
  rate?: string;
  upstream?: string;
  model?: string;
  weaker?: string;
  fallback?: string;
  apiKeyEnv: string;
}

/** `segue demo`: the published drift of gpt-4, played against a real server. */
export const demoCommand = ({ output }: CommandContext): Command =>
  new Command("demo")
    .description("watch a model degrade for some segments while the aggregate rises, and what Segue does about it")
    .option("--seed <number>", "draws the questions", "1")
    .option("--yes", "approve the high-risk segment without asking")
    .option("--rate <number>", "answers a second at most")
    .option("--upstream <url>", "real models: an OpenAI-compatible base URL")
    .option("--model <name>", "real models: the one that serves at first")
    .option("--weaker <name>", "real models: the one that it silently becomes")
    .option("--fallback <name>", "real models: the second rung (the first model when absent)")
    .option("--api-key-env <name>", "real models: the environment variable with the key", "OPENAI_API_KEY")
    .action(async (options: Options) => {
      // Loaded here, so that the other commands start without the demo's packages.
      const { runDemo } = await import("../demo/demo.ts");
      const { resultText, terminalShow } = await import("../demo/show.ts");
      const isAutomatic = options.yes === true || output().json;
      // Ending by way of 'exit' takes the demo's processes and its folder with it.
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
      const keyboard = waitForYes();
      const show = terminalShow(process.stderr, keyboard.yes);
      let upstream: DemoUpstream | undefined;
      try {
        upstream = await upstreamOf(options, (line) => show.stage(line));
        const result = await runDemo(
          upstream,
          { seed: seedOf(options.seed), approve: isAutomatic, perSecond: Number(options.rate ?? Infinity) },
          show,
        );
        output().result(result, () => resultText(result));
      } finally {
        keyboard.stop();
        await upstream?.stop();
      }
    });

async function upstreamOf(options: Options, progress: (line: string) => void): Promise<DemoUpstream> {
  const { realUpstream, simulatedUpstream } = await import("../demo/demo-upstream.ts");
  const { upstream: url, model, weaker, fallback, apiKeyEnv } = options;
  if (url === undefined) return simulatedUpstream(seedOf(options.seed));
  if (model === undefined || weaker === undefined)
    throw new RouterError("invalid_request", "With --upstream, name both models: --model A --weaker B.");
  return realUpstream({ url, model, weaker, fallback: fallback ?? model, apiKeyEnv }, progress);
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (!Number.isSafeInteger(seed))
    throw new RouterError("invalid_request", `--seed takes a whole number, not '${text}'.`);
  return seed;
}

/** The keyboard, where there is one: resolves at a `y`. */
function waitForYes(): { readonly yes: () => Promise<void>; readonly stop: () => void } {
  const { stdin } = process;
  return {
    yes: () =>
      new Promise((resolve) => {
        if (!stdin.isTTY) return;
        stdin.setRawMode(true);
        stdin.resume();
        stdin.on("data", (key: Buffer) => {
          if (key.toString() === "\u0003") process.exit(130);
          if (key.toString().toLowerCase() === "y") resolve();
        });
      }),
    stop: () => {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
    },
  };
}
