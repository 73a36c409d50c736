import { describe, expect, test } from "vitest";
import { RouterError } from "../../src/core/errors.ts";
import { AnswerDelivery, type Delivered } from "../../src/gateway/answer-delivery.ts";
import { clientHold } from "../../src/gateway/client-hold.ts";
import { wires } from "../../src/gateway/wires/index.ts";
import { delta, eventText, stop } from "../fakes/openai-upstream.ts";

const ONE_ASKED = { attempts: 1, failed: [] };

const begun = eventText(delta("m", { role: "assistant", content: "a" }));
const DONE = "data: [DONE]\n\n";
const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A delivery, what its client got, what its upstream was told, and what was told of its end. */
function setUp() {
  const clock = { at: 0, now: () => clock.at };
  const hold = clientHold(clock);
  const client = { status: 0, text: "", isOver: false, hasRoom: true };
  const told: string[] = [];
  const delivered: Delivered[] = [];
  const take = (bytes: Uint8Array): void => {
    client.text += new TextDecoder().decode(bytes);
  };
  const over = (): void => {
    client.isOver = true;
  };
  const delivery = new AnswerDelivery({
    wire: wires.chat,
    sink: {
      whole: (status, _, body) => {
        client.status = status;
        take(body);
        over();
      },
      begin: (status) => {
        client.status = status;
      },
      write: (bytes) => {
        take(bytes);
        return client.hasRoom;
      },
      end: over,
      breakOff: over,
    },
    clock,
    headers: {},
    goodHeaders: {},
    hasOwnLimits: false,
    hold,
    receivedAt: 0,
    keptBytesMax: 1024,
    addsUsage: () => false,
    costUsd: () => 0.5,
    onDelivered: (one) => void delivered.push(one),
  });
  const call = {
    pause: () => void told.push("pause"),
    resume: () => void told.push("resume"),
    abort: () => void told.push("abort"),
    suffice: () => void told.push("suffice"),
  };
  return {
    clock,
    hold,
    client,
    told,
    delivery,
    call,
    endings: () => delivered.map(({ ending: { status, error } }) => [status, error]),
    begin: () => {
      delivery.follow(call);
      const target = { provider: "main", model: "m" };
      const headers = { "content-type": "text/event-stream" };
      delivery.onBegun({ target, status: 200, headers, body: encoded(begun), isEventStream: true }, ONE_ASKED);
    },
  };
}

describe("an answer's delivery", () => {
  test("asks the upstream to wait while its client has no room, and to go on when it has", () => {
    const { client, told, delivery, begin } = setUp();
    begin();
    expect(told).toEqual([]);
    client.hasRoom = false;
    delivery.onBytes(encoded(begun));
    expect(told).toEqual(["pause"]);
    delivery.onDrained();
    expect(told).toEqual(["pause", "resume"]);
  });

  test("does not count the time in which its client has no room", () => {
    const { clock, hold, client, delivery, begin } = setUp();
    begin();
    client.hasRoom = false;
    for (let i = 0; i < 3; i++) {
      clock.at += 10;
      delivery.onBytes(encoded(begun));
      clock.at += 500;
      delivery.onDrained();
    }
    expect(clock.at - hold.totalMs()).toBe(30);
  });

  test("lets the upstream go when the client leaves, says so once, and forwards nothing that still arrives", () => {
    const { client, told, delivery, endings, begin } = setUp();
    begin();
    delivery.onLeft();
    delivery.onLeft();
    delivery.onBytes(encoded(begun));
    delivery.onEnd(true);
    delivery.onDrained();
    expect(told).toEqual(["abort"]);
    expect(client.text).toBe(begun);
    expect(endings()).toEqual([[499, "client_closed"]]);
  });

  test("lets go of an upstream that is asked only after the client left", () => {
    const { told, delivery, call, endings } = setUp();
    delivery.onLeft();
    delivery.follow(call);
    delivery.onFailure(new RouterError("upstream_unavailable", "gone"), ONE_ASKED);
    expect(told).toEqual(["abort"]);
    expect(endings()).toEqual([[499, "client_closed"]]);
  });

  test("is good for a client that leaves with the whole answer, and for one that stays", () => {
    for (const leaves of [true, false]) {
      const { delivery, endings, begin } = setUp();
      begin();
      delivery.onBytes(encoded(eventText(stop("m")) + DONE));
      if (leaves) delivery.onLeft();
      else delivery.onEnd(false);
      expect(endings()).toEqual([[200, null]]);
    }
  });

  test("is not good for a client that leaves before the end, though the finish reason was there", () => {
    const { delivery, endings, begin } = setUp();
    begin();
    delivery.onBytes(encoded(eventText(stop("m"))));
    delivery.onLeft();
    expect(endings()).toEqual([[499, "client_closed"]]);
  });

  test("is the upstream's failure when it breaks off, which the client is told in the wire's words", () => {
    const { client, delivery, endings, begin } = setUp();
    begin();
    delivery.onEnd(false);
    expect(client).toMatchObject({ status: 200, isOver: true, text: expect.stringContaining("upstream_cut") });
    expect(endings()).toEqual([[200, "upstream_cut"]]);
  });
});
