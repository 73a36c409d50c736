import { describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";

const SECRET = "hunter2";
const ADDRESS = `https://segue:${SECRET}@example.test/v1`;

describe("the configuration", () => {
  const variables = Object.keys(
    readConfig({ SEGUE_URL: "http://a", SEGUE_PHOENIX_URL: "http://a", SEGUE_OTLP_URL: "http://a" }),
  )
    .filter((name) => name.endsWith("_URL"))
    .map((variable) => ({ variable, value: ADDRESS }));
  const providers = [
    { openai: { baseUrl: ADDRESS } },
    { other: { kind: "langchain", modelProvider: "x", baseUrl: `https://${SECRET}@example.test` } },
    { third: { baseUrl: `https://:${SECRET}@example.test` } },
  ].map((one) => ({ variable: "SEGUE_PROVIDERS", value: JSON.stringify(one) }));

  test("has every address among those that are looked at below", () =>
    expect(variables.map(({ variable }) => variable).sort()).toEqual([
      "OPENAI_BASE_URL",
      "SEGUE_ARIZE_GRAPHQL_URL",
      "SEGUE_ARIZE_LOG_URL",
      "SEGUE_ARIZE_OTLP_URL",
      "SEGUE_ARIZE_URL",
      "SEGUE_OTLP_URL",
      "SEGUE_PHOENIX_URL",
      "SEGUE_URL",
    ]));

  test.each([...variables, ...providers])(
    "refuses an address with credentials in $variable, and does not repeat them",
    ({ variable, value }) => {
      let message = "";
      try {
        readConfig({ [variable]: value });
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain(variable);
      expect(message).toContain("must have no user name or password");
      expect(message).not.toContain(SECRET);
    },
  );

  test.each(["http://phoenix:6006", "https://example.test/a@b?c=d@e"])("takes %s, which has none", (url) =>
    expect(readConfig({ SEGUE_PHOENIX_URL: url })).toMatchObject({ SEGUE_PHOENIX_URL: url }),
  );

  test.each(["0", "0.5", "36.5", "-1", "2161", "often"])("refuses reports every %s hours", (hours) =>
    expect(() => readConfig({ SEGUE_REPORT_EVERY_HOURS: hours })).toThrow("SEGUE_REPORT_EVERY_HOURS"),
  );

  test.each(["1", "24", "2160"])("takes reports every %s hours", (hours) =>
    expect(readConfig({ SEGUE_REPORT_EVERY_HOURS: hours }).SEGUE_REPORT_EVERY_HOURS).toBe(Number(hours)),
  );
});
