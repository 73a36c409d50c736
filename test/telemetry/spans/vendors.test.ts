import { afterEach, expect, test } from "vitest";
import { arizeDestination, phoenixDestination } from "../../../src/telemetry/spans/span-destinations.ts";
import { fakeArize } from "../../fakes/arize/arize.ts";
import { fakePhoenix } from "../../fakes/phoenix/phoenix.ts";
import { exporting } from "./exporting.ts";
import { servedSpan } from "./served-spans.ts";

const servers: { readonly close: () => unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function vendors() {
  const arize = await fakeArize({ apiKey: "ax-key", spaceId: "space-1" });
  const phoenix = await fakePhoenix({ apiKey: "px-key" });
  servers.push(arize, phoenix);
  const destinations = (key: string) => [
    arizeDestination({ url: arize.otlpUrl, apiKey: key, spaceId: "space-1", project: "support" }),
    phoenixDestination({ url: phoenix.url, apiKey: "px-key", project: "support" }),
  ];
  return { arize, phoenix, destinations };
}

test("Arize AX and Phoenix take the spans, over HTTP", async () => {
  const { arize, phoenix, destinations } = await vendors();
  const { spans, lines } = exporting({ fetch: globalThis.fetch, destinations: destinations("ax-key") });
  for (const number of [1, 2, 3]) spans.record(servedSpan(number));
  await spans.close();
  expect(lines).toEqual([]);
  for (const vendor of [arize, phoenix]) {
    expect(vendor.spans().map(({ spanId, project }) => [spanId, project])).toEqual(
      [1, 2, 3].map((number) => [servedSpan(number).spanId, "support"]),
    );
  }
});

test("a wrong key of one keeps nothing from the other", async () => {
  const { arize, phoenix, destinations } = await vendors();
  const { spans, lines } = exporting({ fetch: globalThis.fetch, destinations: destinations("wrong-key") });
  spans.record(servedSpan(1));
  await spans.flush();
  expect([arize.spans().length, phoenix.spans().length]).toEqual([0, 1]);
  expect(lines).toMatchObject([{ level: "error", fields: { destination: "arize" } }]);
  expect(JSON.stringify(lines)).not.toContain("wrong-key");
  await spans.close();
});

test("a collector that is not there is an outage", async () => {
  const { destinations } = await vendors();
  const [arize] = destinations("ax-key");
  await servers.shift()!.close();
  const { spans, lines } = exporting({ fetch: globalThis.fetch, destinations: [arize!] });
  spans.record(servedSpan(1));
  await spans.flush();
  expect(lines).toMatchObject([{ level: "warn", fields: { problem: "it cannot be reached (ECONNREFUSED)" } }]);
  await spans.close();
});
