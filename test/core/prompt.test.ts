import { describe, expect, test } from "vitest";
import { compilePrompt, promptVariables, withPrompt } from "../../src/core/prompt.ts";
import { promptTags } from "../../src/core/prompt-tags.ts";

describe("a prompt", () => {
  test("renders attributes as they are, without escaping for HTML", () => {
    expect(compilePrompt("In {{region}}: {{{note}}} {{&note}}")({ region: "EU & UK", note: "<b>" })).toBe(
      "In EU & UK: <b> <b>",
    );
  });

  test("renders numbers and booleans", () => {
    expect(compilePrompt("{{count}} {{premium}}")({ count: 0, premium: false })).toBe("0 false");
  });

  test("renders an attribute that the request lacks as nothing", () => {
    expect(compilePrompt("a{{region}}b")({})).toBe("ab");
  });

  test("does not read what an attribute's value says in template language", () => {
    expect(compilePrompt("{{topic}}")({ topic: "{{secret}}", secret: "x" })).toBe("{{secret}}");
  });

  test("without tags is its text, byte for byte", () => {
    const text = "Costs { and } and $1 are\n  kept \\n";
    expect(compilePrompt(text)({})).toBe(text);
  });

  test("names what it asks for, once", () => {
    expect(promptVariables("{{a}} {{b}} {{a}}")).toEqual(["a", "b"]);
  });

  test.each(["{{a", "{{#a}}", "{{/a}}"])("that is malformed is refused: %s", (text) => {
    expect(() => promptVariables(text)).toThrow(/nclosed|nopened/);
  });

  test("stands in front of the client's messages, which stay the same objects", () => {
    const messages = [{ role: "user", content: [{ type: "text", text: "hi" }] }];
    const all = withPrompt("be kind", messages);
    expect(all).toEqual([{ role: "system", content: "be kind" }, ...messages]);
    expect(all[1]).toBe(messages[0]);
  });
});

test("the tags of a prompt are told apart by their sigil", () => {
  expect(promptTags("x{{a}} {{{ b }}} {{& c}}{{#d}}{{/d}}{{! e\nf }}{{> g}}{{}}")).toEqual([
    { sigil: "", name: "a", offset: 1 },
    { sigil: "", name: "b", offset: 7 },
    { sigil: "", name: "c", offset: 17 },
    { sigil: "#", name: "d", offset: 24 },
    { sigil: "/", name: "d", offset: 30 },
    { sigil: "!", name: "e\nf", offset: 36 },
    { sigil: ">", name: "g", offset: 46 },
    { sigil: "", name: "", offset: 53 },
  ]);
});
