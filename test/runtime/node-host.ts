import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Agent } from "undici";
import { compose } from "../../src/compose.ts";
import { noExports } from "../../src/exports.ts";
import { promptsOf } from "../../src/core/policy-source.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { nodeListener } from "../../src/node-listener.ts";
import { nodeRandom } from "../../src/node-random.ts";
import { genaiPrices } from "../../src/prices/genai-prices.ts";
import { openaiProvider } from "../../src/providers/openai.ts";
import { undiciTransport } from "../../src/providers/undici-transport.ts";
import { createMemoryCheckpoints } from "../../src/stores/memory-checkpoints.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { readPolicyFiles } from "../../src/stores/policy-files.ts";
import { memoryCounters } from "../../src/telemetry/counters.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { timerDeadlines } from "../../src/timer-deadlines.ts";
import { BODY_BYTES_MAX } from "../../routes/json-body.ts";
import { startOpenaiUpstream } from "../fakes/openai-upstream.ts";
import { PROVIDER_KEYS, providersAt, SECRET, type Host, type Keys } from "./host.ts";

/** The Node host with everything in memory, on a port of its own. */
export async function startNodeHost({ keys, policies }: { keys: Keys; policies: string }): Promise<Host> {
  const upstream = await startOpenaiUpstream();
  const dispatcher = new Agent();
  const transport = undiciTransport(dispatcher);
  const clock = { now: () => Date.now() };
  const segue = await compose(
    {
      ledger: createMemoryLedger(),
      lease: createMemoryLease(),
      checkpoints: createMemoryCheckpoints(),
      exposures: { record: () => undefined, flush: () => Promise.resolve() },
      flags: staticFlags(),
      providers: new Map(
        Object.entries(providersAt(upstream)).map(([id, { baseUrl, apiKeyEnv }]) => [
          id,
          openaiProvider({ id, baseUrl, apiKey: () => PROVIDER_KEYS[apiKeyEnv], transport }),
        ]),
      ),
      prices: genaiPrices({ clock }),
      judges: () => null,
      languageOf: () => null,
      clock,
      deadlines: timerDeadlines(clock),
      later: (work) => void setImmediate(work),
      timeout: (ms) => AbortSignal.timeout(ms),
      random: nodeRandom,
      log: silentLog,
      counters: memoryCounters(),
      knownSources: {},
      sources: [],
      promptHubs: {},
      exports: noExports,
      fetch: globalThis.fetch,
      sleep: () => Promise.resolve(),
      secrets: [SECRET],
    },
    { instance: "test", bodyBytesMax: BODY_BYTES_MAX },
  );
  const { sources, prompts } = await readPolicyFiles(policies);
  await segue.controlPlane.commit({ kind: "operator", id: "test" }, () => [
    ...sources.map(({ document }) => ({
      type: "policy.published" as const,
      policy: document!,
      prompts: promptsOf(document!, prompts),
    })),
    ...keys.stored.map((key) => ({ type: "key.created" as const, key })),
  ]);
  const { app, modelCalls, newRequestId } = segue;
  const listener = getRequestListener(app.fetch);
  const others: RequestListener = (request, response) => void listener(request, response);
  const server = createServer(
    nodeListener(modelCalls, { clock, log: silentLog, newRequestId, bodyBytesMax: BODY_BYTES_MAX, others }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upstream,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await segue.close();
      await upstream.close();
      await dispatcher.close();
    },
  };
}
