import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeArize } from "../fakes/arize/arize.ts";
import { metadataOf } from "../fakes/arize/columns.ts";
import { delta, events, stop } from "../fakes/openai-upstream.ts";
import { fakePhoenix } from "../fakes/phoenix/phoenix.ts";
import type { VendorCall } from "../fakes/vendor/vendor-server.ts";
import { until } from "./segue-process.ts";
import { openShop, shopPolicy, type Answer, type Shop } from "./telemetry-home.ts";

/** What a request knows of a person; none of it may leave. */
const person = {
  email: "eva.brandt@example.org",
  otherEmail: "o'neil+shop@mail.example.co.uk",
  phone: "+49 170 1234567",
  card: "4111 1111 1111 1111",
  iban: "DE89 3702 0044 0532 0130 00",
  address: "203.0.113.77",
  secret: "sk-abcdefghijklmnopqrstuvwx",
  session: 'sitzung"7f3/äöü',
  user: "u-88213-brandt",
  customer: "KD 4711\\ß",
  birthday: "1984-02-29",
  contract: "C-20260817",
} as const;
/** What may leave, so that it is known that everything was looked through. */
const MARKER = "parcel-marker-4242";
const HIGH = "the ward of patient seven";

const PRIVACY = `privacy:
  attributes: { customer_id: tokenise, birthday: drop }
  patterns:
    - { name: contract, pattern: 'C-[0-9]{8}' }
  phoneCountries: [DE, US]
`;
const ATTRIBUTES = `  customer_id: { type: string }
  birthday: { type: string }
  remark: { type: string }
`;

let arize: Awaited<ReturnType<typeof fakeArize>>;
let phoenix: Awaited<ReturnType<typeof fakePhoenix>>;
let shop: Shop;
let answers: readonly Answer[];
let high: Answer;
let streamed: string;

beforeAll(async () => {
  shop = await openShop(async (now) => {
    arize = await fakeArize({ now });
    phoenix = await fakePhoenix({ now });
    return {
      SEGUE_ARIZE_URL: arize.url,
      SEGUE_ARIZE_API_KEY: "arize-key",
      SEGUE_ARIZE_SPACE_ID: arize.space.id,
      SEGUE_ARIZE_PROJECT_ID: "TW9kZWw6MTIz",
      SEGUE_ARIZE_OTLP_URL: arize.otlpUrl,
      SEGUE_ARIZE_LOG_URL: arize.logUrl,
      SEGUE_ARIZE_LOG_METRIC: "resolution",
      SEGUE_ARIZE_POLL_MS: "3600000",
      SEGUE_PHOENIX_URL: phoenix.url,
      SEGUE_PHOENIX_API_KEY: "phoenix-key",
      SEGUE_PHOENIX_POLL_MS: "3600000",
    };
  });
  await shop.publish(shopPolicy([{ id: "eu" }, { id: "vip", risk: "high" }], PRIVACY, ATTRIBUTES));
  await shop.serve();
  await traffic();
});
afterAll(async () => {
  await shop?.remove();
  await arize?.close();
  await phoenix?.close();
});

const all = Object.values(person).join(" ; ");
const metadata = {
  customer_id: person.customer,
  birthday: person.birthday,
  remark: `call ${person.phone} or ${person.otherEmail}`,
  // Declared nowhere, so it goes on to the model.
  ticket: `from ${person.email}`,
};

/** Everything about the person, wherever a request has a place for it. */
async function traffic(): Promise<void> {
  const metadataWithSession = { ...metadata, session_id: person.session };
  const toolCall = {
    id: "call_1",
    type: "function",
    function: { name: "lookup", arguments: JSON.stringify({ mail: person.email, nested: { all } }) },
  };
  const asked = await shop.ask({
    region: "eu",
    metadata: metadataWithSession,
    user: person.user,
    question: `${MARKER} in eu: ${all}`,
    answer: `${MARKER}: ${all}`,
  });
  const withTools = await shop.ask({
    region: "eu",
    metadata: metadataWithSession,
    user: person.user,
    answer: `It is ${person.email}`,
    body: {
      messages: [
        { role: "system", content: `Never tell ${person.card}` },
        { role: "user", content: [{ type: "text", text: `Who has ${person.iban}?` }] },
        { role: "assistant", content: null, tool_calls: [toolCall] },
        { role: "tool", tool_call_id: "call_1", content: JSON.stringify([{ all }]) },
      ],
      tools: [
        { type: "function", function: { name: "lookup", description: `As ${person.email} wants`, parameters: {} } },
      ],
    },
  });
  high = await shop.ask({
    region: "vip",
    metadata: metadataWithSession,
    user: person.user,
    question: HIGH,
    answer: HIGH,
  });
  streamed = await stream();
  answers = [asked, withTools, high];
  for (const answer of answers) {
    const annotator = { kind: "HUMAN", id: person.email };
    const receipt = await shop.rate(answer, {
      score: 1,
      comment: `${MARKER} said ${all}${answer === high ? HIGH : ""}`,
      annotator,
    });
    expect(receipt).toMatchObject({ annotation: "queued", comment: answer === high ? "not_kept" : "sent" });
  }
  await until("all spans arrived", () => [arize, phoenix].every((vendor) => vendor.spans().length === 4));
  shop.clock.advance(11_000);
  await until("all annotations arrived", () => [arize, phoenix].every((vendor) => vendor.annotations().length === 3));
  await until("the log is complete", () => arize.log.length >= 7);
}

/** An answer whose pieces cut an e-mail address in three. @returns its span's id */
async function stream(): Promise<string> {
  const pieces = ["It is eva.bra", "ndt@exam", "ple.org, and her session is sitz", 'ung"7f3/äöü'];
  shop.upstream.reply(events([...pieces.map((content) => delta("gpt-4o", { content })), stop("gpt-4o")]));
  const answer = await shop.server().ask("POST", "/v1/chat/completions", {
    key: shop.key(),
    body: {
      model: "shop",
      stream: true,
      messages: [{ role: "user", content: "Whose is it, in eu?" }],
      metadata: { region: "eu", session_id: person.session },
    },
  });
  expect([answer.status, answer.body]).toEqual([200, expect.stringContaining("ndt@exam")]);
  return Buffer.from(answer.headers.get("x-segue-prediction-id") ?? "", "base64url")
    .subarray(27, 35)
    .toString("hex");
}

/** Ways in which a text may stand in what is sent: as it is, in JSON once and twice, in a URL, in base64 at any place. */
function spellings(text: string): readonly string[] {
  const inJson = JSON.stringify(text).slice(1, -1);
  const ascii = inJson.replaceAll(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const base64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), Buffer.from(text)])
      .toString("base64")
      .replaceAll("=", "");
    // The characters at both ends depend on what stands beside the text.
    return encoded.slice(before === 0 ? 0 : before + 1, -1);
  });
  return [
    text,
    inJson,
    ascii,
    JSON.stringify(inJson).slice(1, -1),
    encodeURIComponent(text),
    encodeURIComponent(text).replaceAll("%20", "+"),
    text.replaceAll(/[ -]/g, ""),
    Buffer.from(text).toString("hex"),
    ...base64,
    ...base64.map((one) => one.replaceAll("+", "-").replaceAll("/", "_")),
  ].filter((one) => one.length >= 6);
}

const textOf = ({ headers, body, url }: VendorCall): string => {
  const bytes = headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
  return `${url.href}\n${JSON.stringify(headers)}\n${bytes.toString("utf8")}`;
};
const sent = (): string => [...arize.calls, ...phoenix.calls].map(textOf).join("\n");
const found = (text: string, within: string): boolean =>
  spellings(text).some((one) => within.toLowerCase().includes(one.toLowerCase()));

describe("of everything that left", () => {
  test.each(Object.entries(person))("nothing is the %s", (_, value) => {
    const places = [...arize.calls, ...phoenix.calls].filter((call) => found(value, textOf(call)));
    expect(places.map(({ url }) => url.pathname)).toEqual([]);
  });

  test("the search would have found it: what may leave is there, in spans and annotations of both", () => {
    for (const calls of [arize.calls, phoenix.calls])
      for (const path of ["/v1/traces", "annot"])
        expect(calls.filter(({ url }) => url.pathname.includes(path)).some((call) => found(MARKER, textOf(call)))).toBe(
          true,
        );
    for (const value of Object.values(person)) {
      const places = [
        value,
        JSON.stringify({ value }),
        Buffer.from(`x${value}y`).toString("base64"),
        encodeURIComponent(value),
      ];
      expect(places.filter((place) => !found(value, place))).toEqual([]);
    }
    // The model itself is asked what the client asked.
    expect(found(person.email, shop.upstream.requests[0]!.text)).toBe(true);
    const toLog = arize.calls.filter(({ surface }) => surface === "log");
    expect(toLog.length).toBeGreaterThanOrEqual(7);
  });

  test("sessions, users and customers are tokens, the same for the same person, and a dropped attribute is not there", () => {
    const spans = answers.map(({ spanId }) => arize.spans().find((span) => span.spanId === spanId)!);
    for (const name of ["session.id", "user.id"] as const) {
      const values = new Set(spans.map(({ attributes }) => attributes[name]));
      expect([...values]).toEqual([expect.stringMatching(/^tok_/)]);
    }
    const [first, ...others] = spans.map(metadataOf);
    expect(first).toMatchObject({
      customer_id: expect.stringMatching(/^tok_/),
      remark: expect.stringContaining("call ["),
    });
    for (const other of others) expect(other.customer_id).toBe(first!.customer_id);
    expect(first).not.toHaveProperty("birthday");
    const prediction = arize.log.find(({ prediction_id: id }) => id === answers[0]!.id)?.prediction;
    expect(prediction).toMatchObject({ features: { customer_id: { string: first!.customer_id } } });
  });

  test("a streamed answer is redacted as a whole", () => {
    const span = arize.spans().find(({ spanId }) => spanId === streamed)!;
    expect(span.attributes["output.value"]).toMatch(/^It is \[EMAIL\], and her session is tok_/);
  });

  test("nothing was asked or answered in a high-risk segment", () => {
    expect(found(HIGH, sent())).toBe(false);
    const { attributes } = arize.spans().find(({ spanId }) => spanId === high.spanId)!;
    const keys = Object.keys(attributes).filter((key) => /^(input|output)\.|_messages|tools/.test(key));
    expect(keys).toEqual([]);
    expect(arize.annotations().find(({ spanId }) => spanId === high.spanId)).toMatchObject({ score: 1 });
  });
});
