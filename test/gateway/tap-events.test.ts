import { setImmediate as nextTurn } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientHold } from "../../src/gateway/client-hold.ts";
import { tapEvents, type StreamEnd } from "../../src/gateway/tap-events.ts";

const clock = { now: () => 0 };
const cut = new TextEncoder().encode('data: {"error":{}}\n\n');

function tapped(chunks: readonly Uint8Array[]) {
  const ends: StreamEnd[] = [];
  const read = { count: 0, cancelled: false };
  const pending = [...chunks];
  const source = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        read.count++;
        const next = pending.shift();
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
      cancel: () => {
        read.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { ...tapEvents(source, { cut, hold: clientHold(clock), onEnd: (end) => ends.push(end) }), ends, read };
}

const eol = fc.constantFrom("\n", "\r\n");
const event = fc
  .tuple(fc.constantFrom("data: ", "data:", ": ", "event: "), fc.string({ unit: "grapheme", maxLength: 30 }), eol)
  .map(([field, text, end]) => `${field}${text.replaceAll(/[\r\n]/g, "")}x${end}${end}`);

/** Text cut into chunks at any byte. */
const split = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, i) => bytes.subarray(places[i], place));
};

describe("a tapped stream", () => {
  test("is byte for byte what the upstream sent, whatever it sent and however it was split", () =>
    fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), async (parts, at) => {
        const whole = Buffer.from(`${parts.join("")}data: [DONE]\n\n`);
        const { stream, ends } = tapped(split(whole, at));
        const out = Buffer.from(await new Response(stream).arrayBuffer());
        expect(out.equals(whole)).toBe(true);
        expect(ends).toEqual(["complete"]);
      }),
    ));

  test("that is cut anywhere is whole events and then the error", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (parts, length, at) => {
          const whole = Buffer.from(parts.join(""));
          const arrived = whole.subarray(0, length % whole.length);
          const { stream, ends } = tapped(split(arrived, at));
          const out = await new Response(stream).text();
          let sent = "";
          for (const part of parts)
            if (Buffer.byteLength(sent + part) <= arrived.length) sent += part;
            else break;
          expect(out).toBe(sent + new TextDecoder().decode(cut));
          expect(ends).toEqual(["cut"]);
        },
      ),
    ));

  test("reads the upstream no faster than it is read itself", async () => {
    const { stream, read } = tapped(Array.from({ length: 9 }, (_, i) => Buffer.from(`data: ${i}\n\n`)));
    const reader = stream.getReader();
    await nextTurn();
    expect(read.count).toBe(0);
    await reader.read();
    await reader.read();
    await nextTurn();
    expect(read.count).toBe(2);
  });

  test("lets the upstream go when it is cancelled, and says so once", async () => {
    const { stream, ends, read, leave } = tapped([Buffer.from("data: 1\n\n"), Buffer.from("data: 2\n\n")]);
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    leave();
    expect(read.cancelled).toBe(true);
    expect(ends).toEqual(["left"]);
  });

  test("forwards nothing that arrives after the client is known to have left", async () => {
    const ends: StreamEnd[] = [];
    let send: (bytes: Uint8Array) => void = () => undefined;
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => void (send = (bytes) => controller.enqueue(bytes)),
    });
    const { stream, leave } = tapEvents(source, { cut, hold: clientHold(clock), onEnd: (end) => ends.push(end) });
    let forwarded = false;
    void stream
      .getReader()
      .read()
      .then(() => (forwarded = true));
    await nextTurn();
    send(Buffer.from("data: 1\n\n"));
    leave();
    await nextTurn();
    expect(forwarded).toBe(false);
    expect(ends).toEqual(["left"]);
  });

  test("survives a client that leaves while the upstream is silent", async () => {
    const ends: StreamEnd[] = [];
    const silent = new ReadableStream<Uint8Array>({ pull: () => new Promise<void>(() => undefined) });
    const { stream } = tapEvents(silent, { cut, hold: clientHold(clock), onEnd: (end) => ends.push(end) });
    const reader = stream.getReader();
    const reading = reader.read();
    await reader.cancel();
    expect(await reading).toEqual({ done: true, value: undefined });
    expect(ends).toEqual(["left"]);
  });

  const own = '{"error":{"message":"x"}}';
  test.each([
    { text: `data: ${own}\n\n`, because: "it is the upstream's error" },
    { text: `data:${own}\r\n\r\n`, because: "there need be no space" },
    { text: `data: {"id":1, "error" : {"message":"x"}}\n\n`, because: "the error need not be first" },
    { text: `data: {"a":1}\n\ndata: ${own}\n\ndata: {"b":1}\n\n`, because: "every event counts" },
    { text: `event: error\ndata: {"message":"x"}\n\n`, because: "the event's name says so" },
  ])("$text is a failure without a cut, because $because", async ({ text }) => {
    const { stream, ends } = tapped([Buffer.from(text)]);
    expect(await new Response(stream).text()).toBe(text);
    expect(ends).toEqual(["failed"]);
  });

  test.each([
    `data: {"error":null,"choices":[]}\n\n`,
    `data: {"choices":[{"error":{}}]}\n\n`,
    `data: {"content":"\\"error\\":{"}\n\n`,
    `: ${own}\n\n`,
  ])("%s is no error of the upstream's", async (text) => {
    const broken = tapped([Buffer.from(text)]);
    expect(await new Response(broken.stream).text()).toBe(text + new TextDecoder().decode(cut));
    expect(broken.ends).toEqual(["cut"]);
    const whole = tapped([Buffer.from(`${text}data: [DONE]\n\n`)]);
    await new Response(whole.stream).text();
    expect(whole.ends).toEqual(["complete"]);
  });

  test.each([": bye]\n\n", "]", "data: [1]\n\n", ": [DONE]\n\n"])("is complete with %j after [DONE]", async (more) => {
    const { stream, ends } = tapped([Buffer.from(`data: [DONE]\n\n${more}`)]);
    expect(await new Response(stream).text()).not.toContain("error");
    expect(ends).toEqual(["complete"]);
  });

  test("does not count the time in which its reader reads nothing", async () => {
    const time = { at: 0, now: () => time.at };
    const hold = clientHold(time);
    const source = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          time.at += 10;
          controller.enqueue(Buffer.from("data: 1\n\n"));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = tapEvents(source, { cut, hold, onEnd: () => undefined }).stream.getReader();
    for (let i = 0; i < 3; i++) {
      await reader.read();
      time.at += 500;
    }
    expect(time.at - hold.totalMs()).toBe(30);
  });
});
