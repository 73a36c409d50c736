import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Variant, type Target } from "../../src/core/policy.ts";
import { forwardedRequest, type ForwardInput } from "../../src/gateway/forwarded-request.ts";
import { readJsonBody } from "../../src/gateway/json-body.ts";
import { jsonMembers } from "../../src/gateway/json-members.ts";
import { wires } from "../../src/gateway/wires/index.ts";
import type { WireFormat } from "../../src/core/wire-format.ts";
import { jsonObjectTextOf } from "../fakes/json-object-text.ts";
import { scriptedProvider } from "../fakes/scripted-provider.ts";

const target: Target = { provider: "up", model: 'the "real" one' };
const clock = { now: () => 0 };

interface Given extends Partial<Omit<ForwardInput, "wire" | "body" | "variant">> {
  readonly wire?: WireFormat;
  readonly parameters?: Variant["parameters"];
  readonly prompt?: string;
}

function forwarding(text: string, { wire = "chat", parameters = {}, prompt, ...rest }: Given = {}) {
  const body = readJsonBody(new TextEncoder().encode(text));
  return forwardedRequest({
    wire: wires[wire],
    body,
    isStream: false,
    variant: {
      id: "v",
      variant: Variant.parse({ ...target, parameters }),
      prompt: null,
      render: prompt === undefined ? null : () => prompt,
    },
    attributes: {},
    metadata: body.value.metadata as ForwardInput["metadata"],
    headers: {},
    providers: new Map([["up", scriptedProvider("up", clock)]]),
    ...rest,
  });
}

const written = (text: string, given?: Given): string => forwarding(text, given).requestFor(target).text;
const said = (text: string, given?: Given): Record<string, unknown> =>
  JSON.parse(written(text, given)) as Record<string, unknown>;
/** Each member's name and text as it was written. */
const parts = (text: string): readonly (readonly [string, string])[] =>
  (jsonMembers(text, 200) ?? []).map(({ name, start, end }) => [name, text.slice(start, end)]);

/** Of names that Segue may replace, and of others. */
const bodies = jsonObjectTextOf(
  fc.oneof(
    fc.string({ maxLength: 5 }).filter((name) => !name.includes("\\")),
    fc.constantFrom("model", "temperature", "seed", "max_tokens", "top_p", "user", "stop", "model\u0000", "Model"),
  ),
);
const parameterSets = fc.dictionary(fc.constantFrom("temperature", "max_tokens", "seed"), fc.jsonValue(), {
  noNullPrototype: true,
}) as fc.Arbitrary<Variant["parameters"]>;

describe("whatever a body holds", () => {
  test("all but the model and the variant's parameters arrives byte for byte, in its order", () =>
    fc.assert(
      fc.property(bodies, parameterSets, (body, parameters) => {
        const isReplaced = (name: string): boolean => name === "model" || Object.hasOwn(parameters, name);
        const names = body.entries.map(([name]) => name);
        // Of a name that repeats the last counts, and only it goes on: others might read the first.
        const sent = body.written.filter(
          (_, index) => !isReplaced(names[index] ?? "") && names.lastIndexOf(names[index] ?? "") === index,
        );
        const arrived = parts(written(body.text, { parameters })).filter(([name]) => !isReplaced(name));
        expect(arrived.map(([, text]) => text)).toEqual(sent);
      }),
      { numRuns: 500 },
    ));

  test("there is one model, the target's, and one of each parameter, the variant's", () =>
    fc.assert(
      fc.property(bodies, parameterSets, (body, parameters) => {
        const found = parts(written(body.text, { parameters }));
        const value = said(body.text, { parameters });
        for (const name of ["model", ...Object.keys(parameters)])
          expect(found.filter(([known]) => known === name)).toHaveLength(1);
        expect(value.model).toBe(target.model);
        for (const [name, own] of Object.entries(parameters))
          expect(value[name]).toEqual(JSON.parse(JSON.stringify(own)));
      }),
      { numRuns: 500 },
    ));

  test("it is written the same for a target that is asked again, and for another only the model changes", () =>
    fc.assert(
      fc.property(bodies, fc.string(), (body, model) => {
        const request = forwarding(body.text, { prompt: "Be kind." });
        const [first, other, again] = [target, { provider: "up", model }, target].map(request.requestFor);
        expect(again).toEqual(first);
        const end = `"model":${JSON.stringify(target.model)}}`;
        expect(other?.text).toBe(`${first?.text.slice(0, -end.length)}"model":${JSON.stringify(model)}}`);
      }),
    ));
});

describe("a second model cannot be smuggled in", () => {
  test.each([
    '{"model":"a","model":"b"}',
    '{"\\u006dodel":"a","mode\\u006c":"b","x":1}',
    '{"x":{"model":"kept"},"model":"a"}',
    '{"model" : "a" , "y":"\\"model\\":1"}',
  ])("by %s", (text) => {
    expect(parts(written(text)).filter(([name]) => name === "model")).toHaveLength(1);
    expect(said(text).model).toBe(target.model);
  });

  test("nor by the variant's parameters", () =>
    expect(said("{}", { parameters: { model: "other" } }).model).toBe(target.model));
});

test.each([
  '{"seed":12345678901234567890123,"a":1.50}',
  '{"a":"\\u00e9\\/","b":  [ 1 ,2 ]}',
  '{"a":1e400}',
  '{"__proto__":{"x":1},"constructor":1,"toString":2}',
])("%s arrives as it was written", (text) =>
  expect(written(text)).toBe(
    `${parts(text).reduce((out, [, part]) => `${out}${part},`, "{")}"model":${JSON.stringify(target.model)}}`,
  ),
);

describe("the metadata", () => {
  const text = '{"metadata":{"tier":"gold", "big":12345678901234567890},"user":"u"}';

  test("arrives as it was written where nothing of it was taken", () =>
    expect(written(text)).toContain('"metadata":{"tier":"gold", "big":12345678901234567890}'));
  test("is what is left of it", () =>
    expect(said(text, { metadata: { left: "x" } })).toMatchObject({ metadata: { left: "x" }, user: "u" }));
  test.each([text, '{"metadata":1,"meta\\u0064ata":2}'])(
    "is gone where nothing is left, however often it came: %s",
    (body) => expect(said(body, { metadata: undefined })).not.toHaveProperty("metadata"),
  );
});

describe("a variant's prompt", () => {
  const prompt = 'Be "kind".\n';

  test("is a system message in front of the others, which arrive as they were written", () => {
    const own =
      '[ {"role":"system","content":"mine"}, {"role":"user","content":[{"type":"text","text":"\\u00e9"}],"n":1.0} ]';
    expect(said(`{"messages":${own}}`, { prompt })).toMatchObject({
      messages: [{ role: "system", content: prompt }, ...(JSON.parse(own) as unknown[])],
    });
    expect(written(`{"messages":${own}}`, { prompt })).toContain(own.slice(1, -1));
  });

  test.each(['{"messages":[]}', '{"messages": [ ] }', "{}"])("is the only message where there is none: %s", (text) =>
    expect(said(text, { prompt }).messages).toEqual([{ role: "system", content: prompt }]),
  );

  test.each<readonly [string, string, unknown]>([
    ["text", '"mine"', [prompt, "mine"].map((text) => ({ type: "text", text }))],
    ["no text", '""', prompt],
    ["nothing", "null", prompt],
    ["no blocks", "[ ]", prompt],
    [
      "blocks",
      '[ {"type":"text","text":"mine","cache_control":{"type":"ephemeral"}} ]',
      [
        { type: "text", text: prompt },
        { type: "text", text: "mine", cache_control: { type: "ephemeral" } },
      ],
    ],
  ])("is in front of a system prompt of Anthropic's that is %s", (_, system, expected) =>
    expect(said(`{"system":${system},"messages":[]}`, { wire: "messages", prompt }).system).toEqual(expected),
  );

  test("is Anthropic's system prompt where there is none", () =>
    expect(said("{}", { wire: "messages", prompt }).system).toBe(prompt));

  test.each([
    ['{"instructions":"mine"}', `${prompt}\n\nmine`],
    ['{"instructions":""}', prompt],
    ['{"instructions":null}', prompt],
    ["{}", prompt],
  ])("is in front of the instructions of a response: %s", (text, expected) =>
    expect(said(text, { wire: "responses", prompt }).instructions).toBe(expected),
  );

  test("goes before the last of members that repeat, which is the one that a parser reads", () => {
    const text = '{"messages":[{"role":"user","content":"first"}],"messages":[{"role":"user","content":"last"}]}';
    expect(said(text, { prompt }).messages).toEqual([
      { role: "system", content: prompt },
      { role: "user", content: "last" },
    ]);
    expect(parts(written(text, { prompt })).filter(([name]) => name === "messages")).toHaveLength(1);
  });

  test("is refused for embeddings, which take none", () =>
    expect(() => written("{}", { wire: "embeddings", prompt })).toThrow(
      expect.objectContaining({ code: "invalid_request", reason: "prompt_not_supported" }),
    ));

  test("is the client's own text where it is the same, never a template", () =>
    fc.assert(
      fc.property(fc.string(), fc.string(), (own, text) => {
        const body = JSON.stringify({ messages: [{ role: "user", content: text }], system: text, instructions: text });
        expect(said(body, { prompt: own }).messages).toEqual([
          { role: "system", content: own },
          { role: "user", content: text },
        ]);
      }),
    ));
});

describe("the usage of a stream", () => {
  const asks = (text: string, given: Given = {}) => {
    const request = forwarding(text, { isStream: true, ...given });
    return {
      adds: request.addsUsage(target),
      options: (JSON.parse(request.requestFor(target).text) as Record<string, unknown>).stream_options,
    };
  };

  test("is asked for, beside what else the client asks", () => {
    expect(asks("{}")).toEqual({ adds: true, options: { include_usage: true } });
    expect(asks('{"stream_options":{"a":1,"include_usage":false}}')).toEqual({
      adds: true,
      options: { a: 1, include_usage: true },
    });
  });

  test("is not asked for anew where the client asked", () =>
    expect(asks('{"stream_options":{"include_usage":true}}')).toEqual({
      adds: false,
      options: { include_usage: true },
    }));

  test("is not asked of upstreams that do not know how, of bodies that are no stream, nor in other wires", () => {
    const providers = new Map([["up", scriptedProvider("up", clock, { mayAskForUsage: false })]]);
    expect(asks("{}", { providers })).toEqual({ adds: false, options: undefined });
    expect(asks("{}", { isStream: false })).toEqual({ adds: false, options: undefined });
    for (const wire of ["messages", "responses", "embeddings"] as const)
      expect(asks("{}", { wire })).toEqual({ adds: false, options: undefined });
  });
});
