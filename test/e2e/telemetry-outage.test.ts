import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeArize } from "../fakes/arize/arize.ts";
import { until } from "./segue-process.ts";
import { openShop, shopPolicy, type Answer, type Shop } from "./telemetry-home.ts";

/** Waits while the clock runs fast: feedback whose span was not there yet is sent again after ten seconds and more. */
const untilSoon = (what: string, ask: () => boolean): Promise<boolean> =>
  until(what, () => {
    shop.clock.advance(5000);
    return ask();
  });

/** A way to a host that can be shut: nobody listens there then. */
interface Gate {
  readonly url: string;
  readonly shut: () => Promise<void>;
  readonly open: () => Promise<void>;
}

async function openGate(target: string): Promise<Gate> {
  const sockets = new Set<Socket>();
  let server: Server;
  const open = async (port: number): Promise<void> => {
    server = createServer((client) => {
      const there = connect(Number(new URL(target).port), "127.0.0.1");
      for (const socket of [client, there]) {
        sockets.add(socket);
        socket.on("error", () => undefined).on("close", () => [client, there].forEach((one) => one.destroy()));
      }
      client.pipe(there).pipe(client);
    }).listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  await open(0);
  const { port } = server!.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    open: () => open(port),
    shut: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      await once(server, "close");
    },
  };
}

let arize: Awaited<ReturnType<typeof fakeArize>>;
let gate: Gate;
let shop: Shop;
const answers: Answer[] = [];

beforeAll(async () => {
  shop = await openShop(async (now) => {
    arize = await fakeArize({ now });
    gate = await openGate(arize.url);
    return {
      SEGUE_ARIZE_URL: gate.url,
      SEGUE_ARIZE_API_KEY: "arize-key",
      SEGUE_ARIZE_SPACE_ID: arize.space.id,
      SEGUE_ARIZE_PROJECT_ID: "TW9kZWw6MTIz",
      SEGUE_ARIZE_OTLP_URL: `${gate.url}/v1`,
      SEGUE_ARIZE_POLL_MS: "3600000",
    };
  });
  await shop.publish(shopPolicy([{ id: "eu" }]));
  await shop.serve();
});
afterAll(async () => {
  await shop?.remove();
  await gate?.shut();
  await arize?.close();
});

/** So many answers, several at a time, each rated as soon as it is there. */
async function traffic(count: number): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left-- > 0) answers.push(await shop.askAndRate({ region: "eu" }));
  };
  await Promise.all([caller(), caller(), caller(), caller()]);
}

const sorted = (ids: readonly string[]): readonly string[] => [...ids].sort();
const spanIds = (): readonly string[] => sorted(arize.spans().map(({ spanId }) => spanId));
const withoutContent = () => arize.spans().filter(({ attributes }) => attributes["output.value"] === undefined);
const annotated = (): readonly string[] => sorted(arize.annotations().map(({ spanId }) => spanId));

/** Until all answers so far are there, with what was thought of them, and nothing else is. */
async function allArrived(): Promise<void> {
  await until("as many spans arrived as answers were given", () => spanIds().length >= answers.length);
  await untilSoon("as many annotations arrived", () => annotated().length >= answers.length);
  const asked = sorted(answers.map(({ spanId }) => spanId));
  expect(spanIds()).toEqual(asked);
  expect(annotated()).toEqual(asked);
  expect(withoutContent()).toEqual([]);
}

const failAll = (fault: 500 | "hang" | "cut"): (() => void) => {
  const lifts = [arize.fail("otlp", fault), arize.fail("rest", fault)];
  return () => lifts.forEach((lift) => lift());
};

const outages: readonly { name: string; begin: () => Promise<() => Promise<void> | void> }[] = [
  { name: "answers 500", begin: async () => failAll(500) },
  { name: "never answers", begin: async () => failAll("hang") },
  { name: "cuts every connection", begin: async () => failAll("cut") },
  {
    name: "is not there at all",
    begin: async () => {
      await gate.shut();
      return gate.open;
    },
  },
];

describe("while Arize", () => {
  test.each(outages)(
    "$name every request is answered, and all arrives when it is back",
    async ({ begin }) => {
      const known = spanIds().length;
      const end = await begin();
      const asked = arize.calls.length;
      await traffic(40);
      await until(
        "sending was tried",
        () => arize.calls.length > asked || shop.server().log().includes("ECONNREFUSED"),
      );
      // Had any of them waited for Arize, it would not be answered now.
      await traffic(40);
      expect(spanIds()).toHaveLength(known);
      await end();
      await allArrived();
    },
    40_000,
  );
});

describe("with SEGUE_SPOOL=on", () => {
  test("a server that is killed in the middle of an outage loses nothing that it answered", async () => {
    await shop.server().stop();
    shop.home.environment.SEGUE_SPOOL = "on";
    await shop.serve();
    // Taken but not acknowledged, so that some of it is there already when it comes again.
    const lifts = [arize.fail("otlp", "lost", 1), failAll(500)];
    await traffic(20);
    const killed = Promise.all([traffic(400), traffic(400)]).then(
      () => false,
      () => true,
    );
    const before = answers.length;
    await until("some of the traffic was answered", () => answers.length >= before + 20);
    await shop.server().stop("SIGKILL");
    expect(await killed).toBe(true);
    await shop.serve();
    await traffic(10);
    for (const lift of lifts) lift();
    // What was answered but cut off on its way to the caller may be there too.
    const missing = (there: readonly string[]) => answers.filter(({ spanId }) => !there.includes(spanId));
    await until("all spans arrived", () => missing(spanIds()).length === 0);
    await untilSoon("all annotations arrived", () => missing(annotated()).length === 0);
    expect(withoutContent()).toEqual([]);
  }, 40_000);

  test("a start that fails ends at once, although spans of before wait to be sent", async () => {
    failAll(500);
    await traffic(3);
    await shop.server().stop("SIGKILL");
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const ran = await shop.home.run("serve", "--port", String((other.address() as AddressInfo).port));
    other.close();
    expect(ran).toMatchObject({ code: 1 });
    expect(ran.stderr).toContain("Cannot listen");
  }, 30_000);
});
