import { describe, expect, test } from "vitest";
import { doctorSettings, doctorText } from "../../src/cli/doctor-command.ts";
import { readConfig } from "../../src/config.ts";

describe("segue doctor", () => {
  test("looks at what is configured, with the keys that the environment holds", () => {
    const environment = { OPENAI_API_KEY: "sk" };
    const config = {
      ...readConfig({ SEGUE_ARIZE_API_KEY: "k", SEGUE_ARIZE_SPACE_ID: "s" }),
      SEGUE_PHOENIX_URL: "http://phoenix:6006",
    };
    const settings = doctorSettings(config, environment);
    expect(settings).toMatchObject({
      providers: [{ id: "openai", apiKeyEnv: "OPENAI_API_KEY", apiKey: "sk" }],
      arizeApi: { url: "https://api.arize.com", apiKey: "k", spaceId: "s", projectId: null, developerKey: null },
      arizeOtlp: { otlpUrl: "https://otlp.arize.com/v1", project: "segue" },
      phoenix: { url: "http://phoenix:6006", apiKey: null, project: "segue" },
    });
    expect(settings.phoenix?.source.checks).toHaveLength(1);
  });

  test("looks at neither vendor where none is configured", () =>
    expect(doctorSettings(readConfig({}), {})).toMatchObject({ arizeApi: null, arizeOtlp: null, phoenix: null }));

  test("sends no spans to Arize without a space", () =>
    expect(doctorSettings(readConfig({ SEGUE_ARIZE_API_KEY: "k" }), {}).arizeOtlp).toBeNull());

  test("prints a line a finding, what to do under it, and how many there are", () => {
    const text = doctorText([
      { id: "a", title: "A is there", status: "ok", detail: "it is", fix: null },
      { id: "b", title: "B answers", status: "fail", detail: "it does not", fix: "Start it." },
    ]);
    expect(text.split("\n")).toEqual([
      "✓ A is there: it is",
      "✗ B answers: it does not",
      "    Start it.",
      "",
      "1 to mend, 0 to look at; 1 are well.",
    ]);
  });
});
