import { expect, test } from "vitest";
import { staticFlags } from "../../src/flags/static.ts";
import { context, flagsContract } from "../contracts/flags.ts";

flagsContract("static", async (values) => {
  const flags = staticFlags(values);
  return { flags, change: (next) => flags.set(next) };
});

test("static flags can decide per context", () => {
  const flags = staticFlags({ fallback: ({ segment }) => (segment === "prime" ? "baseline" : "") });
  expect(flags.fallback(context({ segment: "prime" })).value).toBe("baseline");
  expect(flags.fallback(context({ segment: "composite" })).value).toBe("");
});

test("setting one static flag keeps the others", () => {
  const flags = staticFlags({ fallback: "small", mode: "auto" });
  flags.set({ mode: "observe" });
  expect(flags.fallback(context()).value).toBe("small");
  expect(flags.mode("support", "prime").value).toBe("observe");
});
