import { afterEach, describe, expect, test } from "vitest";
import { configureSource } from "../../src/core/signal-source.ts";
import type { Signal } from "../../src/core/signal.ts";
import { receiveWebhook } from "../../src/loop/receive-webhook.ts";
import { arize } from "../../src/sources/arize.ts";
import { sources } from "../../src/sources/index.ts";
import { seededRandom } from "../core/seeded-random.ts";
import { fakeArize, hmacHeaders, monitorId, type MonitorJson } from "../fakes/arize/arize.ts";
import { signalWorld, START } from "../fakes/signal-world.ts";

const SECRET = "whsec_0123456789abcdef";
const DELIVERIES = 1000;
const EVALUATIONS = 25;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A world with Arize's fake, and a bell that is rung with any body, headers and id. */
async function world() {
  const base = await signalWorld();
  base.clock.at = START + 86_400_000;
  const service = await fakeArize();
  closers.push(service.close);
  const settings = { apiKey: "arize-key", baseUrl: service.url, webhook: { auth: "hmac", secret: SECRET } };
  const deps = { ...base.deps, sources: [configureSource(arize, settings)], known: sources };
  const receive = receiveWebhook(deps);
  const send = (body: string, headers: Record<string, string>) =>
    receive({ source: "arize", rawBody: new TextEncoder().encode(body), headers });
  const signed = (body: string, id: string) => hmacHeaders(body, { timestamp: base.clock.at / 1000, key: SECRET, id });
  /** The ledger's signals of Arize, oldest first. */
  const recorded = async (): Promise<Signal[]> =>
    (await base.entries()).flatMap(({ event }) => (event.type === "signal.recorded" ? [event.signal] : []));
  return { ...base, service, send, signed, recorded };
}
type World = Awaited<ReturnType<typeof world>>;

const NAMES = ["prime|accuracy", "prime|toxicity", "default|accuracy", "prime|accuracy|small"];

/** Each monitor's evaluations in their order: every five minutes, one of the three states. */
function histories(random: () => number): readonly (readonly MonitorJson[])[] {
  const statuses = ["TRIGGERED", "CLEARED", "NO_DATA"] as const;
  return NAMES.map((name, n) =>
    Array.from({ length: EVALUATIONS + 1 }, (_, at) => ({
      id: monitorId(n + 1),
      name: `seg|support|${name}`,
      // The last has data, because no data says nothing about what was before.
      status: statuses[Math.floor(random() * (at === EVALUATIONS ? 2 : 3))]!,
      evaluated_at: new Date(START + at * 300_000).toISOString(),
      latest_computed_value: random(),
    })),
  );
}

const bodyOf = ({ id, status }: MonitorJson): string =>
  JSON.stringify({ event: "monitor", data: { monitor: id, status } });
const evaluationOf = ({ id, evaluated_at: at, status }: MonitorJson): string =>
  `${id}@${at}@${status.replace("_", "")}`;

/** Rings for an evaluation that Arize, or a replica of it that lags behind, tells when it is read. */
async function ring({ service, send, signed }: World, monitor: MonitorJson, id: string): Promise<void> {
  service.set(monitor);
  const body = bodyOf(monitor);
  await send(body, signed(body, id)).work;
}

/** Deliveries that nobody signed with our secret, or not this body, or long ago. */
function forge(
  { signed, clock }: World,
  monitor: MonitorJson,
  kind: number,
): { body: string; headers: Record<string, string> } {
  const body = bodyOf(monitor);
  const headers = signed(body, "forged");
  switch (kind % 5) {
    case 0:
      return { body: `${body} `, headers };
    case 1:
      return { body, headers: hmacHeaders(body, { timestamp: clock.at / 1000, key: "whsec_another" }) };
    case 2:
      return { body, headers: { ...headers, "x-arize-webhook-signature": "" } };
    case 3:
      return { body, headers: hmacHeaders(body, { timestamp: clock.at / 1000 - 301, key: SECRET }) };
    default:
      return { body, headers: { authorization: `Bearer ${SECRET}` } };
  }
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

describe(`${DELIVERIES} webhooks, duplicated, reordered, stale and forged`, () => {
  test.each([1, 2, 3])(
    "record no evaluation twice, and the next poll ends where those in order end (seed %i)",
    async (seed) => {
      const random = seededRandom(seed);
      const all = histories(random);
      const evaluations = all.flatMap((history) => history.slice(0, EVALUATIONS));
      const storm = await world();
      const [first, others] = [shuffled(evaluations, random), DELIVERIES - evaluations.length];
      const known: { readonly monitor: MonitorJson; readonly id: string }[] = [];
      const told = { duplicates: 0, again: 0, forged: 0 };
      for (let n = 0; n < DELIVERIES; n += 1) {
        const before = { requests: storm.service.requests.length, head: storm.controlPlane.state().head.seq };
        const unseen = (DELIVERIES - n) * random() < first.length ? first.pop() : undefined;
        const old = known[Math.floor(random() * known.length)];
        if (unseen !== undefined || old === undefined) {
          const monitor = unseen ?? first.pop()!;
          known.push({ monitor, id: `evt-${n}` });
          await ring(storm, monitor, `evt-${n}`);
          continue;
        }
        const kind = Math.floor(random() * 3);
        if (kind === 0) {
          const { body, headers } = forge(storm, old.monitor, n);
          expect(() => storm.send(body, headers)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
          told.forged += 1;
        } else if (kind === 1) {
          await ring(storm, old.monitor, old.id);
          told.duplicates += 1;
        } else {
          await ring(storm, old.monitor, `again-${n}`);
          told.again += 1;
        }
        // An older reading that comes late may turn the state back, and then a newer one is news again.
        if (kind === 2) continue;
        expect(storm.service.requests.length).toBe(before.requests);
        expect(storm.controlPlane.state().head.seq).toBe(before.head);
      }
      expect(Math.min(...Object.values(told))).toBeGreaterThan(others / 5);

      const inOrder = await world();
      for (const [n, monitor] of evaluations.entries()) await ring(inOrder, monitor, `evt-${n}`);
      for (const one of [storm, inOrder])
        for (const [n, history] of all.entries()) await ring(one, history.at(-1)!, `poll-${n}`);
      const heard = ({ controlPlane }: World) =>
        Object.entries(controlPlane.state().signals)
          .map(([key, { status }]) => [key, status])
          .sort();
      expect(heard(storm)).toEqual(heard(inOrder));
      expect(heard(storm)).toHaveLength(NAMES.length);
      for (const one of [storm, inOrder]) {
        const ids = (await one.recorded()).map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        // What says the same as before is no entry.
        expect(ids.length).toBeLessThan(evaluations.length * 0.8);
      }
    },
  );

  test("that all come at once are read a few times and recorded once", async () => {
    const { service, send, signed, recorded } = await world();
    const [[monitor]] = histories(seededRandom(4)) as [[MonitorJson]];
    service.set(monitor);
    const body = bodyOf(monitor);
    const work = Array.from({ length: DELIVERIES }, (_, n) => send(body, signed(body, `evt-${n % 500}`)).work);
    await Promise.all(work);
    expect(service.requests.length).toBeLessThanOrEqual(2);
    expect((await recorded()).map(({ id }) => id)).toEqual([evaluationOf(monitor)]);
  });
});
