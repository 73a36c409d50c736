import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mustacheOf } from "../../src/core/hub-template.ts";
import { compilePrompt, promptVariables } from "../../src/core/prompt.ts";

type Piece = { readonly text: string } | { readonly name: string };
const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({ text: fc.string({ unit: fc.constantFrom("{", "}", "a", " ", "\n", "&", "<", "ü", "$&") }) }),
  fc.record({ name: fc.constantFrom("region", "tier", "a_1") }),
);
const values = fc.record({
  region: fc.string(),
  tier: fc.constantFrom("{{tier}}", "{region}", "gold"),
  a_1: fc.string(),
});

/** What Python's `str.format` calls the same text. */
const fString = (pieces: readonly Piece[]): string =>
  pieces
    .map((one) => ("name" in one ? `{${one.name}}` : one.text.replaceAll("{", "{{").replaceAll("}", "}}")))
    .join("");

describe("a template of a hub", () => {
  test("in f-strings renders, once it is taken over, to what it says, or is refused for the braces that mustache cannot say", () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), values, (pieces, given) => {
        const says = (open: string, close: string) =>
          pieces.map((one) => ("name" in one ? `${open}${one.name}${close}` : one.text)).join("");
        const isSayable = !/\{\{|\{%/.test(says("%", "%"));
        if (!isSayable) {
          expect(() => mustacheOf(fString(pieces), "f-string")).toThrow(/space between/);
          return;
        }
        taken += 1;
        const expected = pieces
          .map((one) => ("name" in one ? given[one.name as keyof typeof given] : one.text))
          .join("");
        expect(compilePrompt(mustacheOf(fString(pieces), "f-string"))(given)).toBe(expected);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  test.each([
    { text: "Answer {{}} in {region}.", format: "f-string", becomes: "Answer {} in {{region}}." },
    { text: '{{"tier": "{tier}"}}', format: "f-string", becomes: '{"tier": "{{tier}}"}' },
    { text: "Answer in {{region}}.", format: "mustache", becomes: "Answer in {{region}}." },
    { text: "A {set} of {x}", format: "literal", becomes: "A {set} of {x}" },
  ] as const)("$text in $format becomes $becomes", ({ text, format, becomes }) =>
    expect(mustacheOf(text, format)).toBe(becomes),
  );

  test("that is literal has no variables", () => expect(promptVariables(mustacheOf("A {set}", "literal"))).toEqual([]));

  test.each([
    { text: "{", format: "f-string", problem: /malformed.*twice/ },
    { text: "a } b", format: "f-string", problem: /malformed.*twice/ },
    { text: "{region!r}", format: "f-string", problem: /variable "\{region!r\}".*plain names/ },
    { text: "{0}", format: "f-string", problem: null },
    { text: "{user.name}", format: "f-string", problem: /plain names/ },
    { text: "{}", format: "f-string", problem: /plain names/ },
    { text: "{{{region}}}", format: "f-string", problem: /right before the variable 'region'/ },
    { text: "{{{{x}}}}", format: "f-string", problem: /two opening braces/ },
    { text: "Say {{x}}", format: "literal", problem: /two opening braces/ },
  ] as const)("$text in $format is refused: $problem", ({ text, format, problem }) => {
    const take = () => mustacheOf(text, format);
    if (problem === null) expect(take()).toBe("{{0}}");
    else expect(take).toThrow(problem);
  });
});
