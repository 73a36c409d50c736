import { afterEach, describe, expect, test } from "vitest";
import type { FlagContext, Flags } from "../../src/ports.ts";

export interface FlagValues {
  readonly fallback?: string;
  readonly automation?: boolean;
  readonly mode?: string;
}

export interface FlagsUnderTest {
  readonly flags: Flags;
  /** Makes the flags say this and nothing else. */
  readonly change: (values: FlagValues) => void | Promise<void>;
}

export const context = (over: Partial<FlagContext> = {}): FlagContext => ({
  policy: "support",
  segment: "prime",
  unit: "user-1",
  attributes: { region: "EU" },
  ...over,
});

/** Resolves once the flags are as `isAsWanted` says, looking again at every change. */
export async function settled(flags: Flags, isAsWanted: () => boolean): Promise<void> {
  const done = Promise.withResolvers<void>();
  const look = () => {
    if (isAsWanted()) done.resolve();
  };
  const stop = flags.onChange(look);
  look();
  await done.promise;
  stop();
}

/** What every adapter of the `Flags` port promises. */
export function flagsContract(name: string, make: (values: FlagValues) => Promise<FlagsUnderTest>): void {
  describe(`${name} flags`, () => {
    let made: FlagsUnderTest;
    const open = async (values: FlagValues) => {
      made = await make(values);
      return made;
    };
    afterEach(() => made.flags.close());

    test("force nothing, leave the loop on and override no mode where they say nothing", async () => {
      const { flags } = await open({});
      expect(flags.fallback(context()).value).toBe("");
      expect(flags.automation("support", "prime").value).toBe(true);
      expect(flags.mode("support", "prime").value).toBe("");
    });

    test("say what they were given, with a reason, and are ready", async () => {
      const { flags } = await open({ fallback: "baseline", automation: false, mode: "observe" });
      expect(flags.fallback(context()).value).toBe("baseline");
      expect(flags.fallback(context({ unit: null })).value).toBe("baseline");
      expect(flags.automation("support", "prime").value).toBe(false);
      expect(flags.mode("support", "prime").value).toBe("observe");
      expect(flags.fallback(context()).reason).not.toBe("");
      expect(flags.status().ready).toBe(true);
    });

    test("count an unknown mode as none", async () => {
      const { flags } = await open({ mode: "turbo" });
      expect(flags.mode("support", "prime").value).toBe("");
    });

    test("tell listeners of a change, and the next evaluation sees it", async () => {
      const { flags, change } = await open({ fallback: "" });
      const changed = settled(flags, () => flags.fallback(context()).value === "small");
      await change({ fallback: "small" });
      await changed;
      expect(flags.fallback(context()).value).toBe("small");
    });

    test("tell a listener nothing more once it stopped listening", async () => {
      const { flags, change } = await open({ fallback: "" });
      let told = 0;
      flags.onChange(() => (told += 1))();
      const changed = settled(flags, () => flags.fallback(context()).value === "small");
      await change({ fallback: "small" });
      await changed;
      expect(told).toBe(0);
    });

    test("may be closed twice and keep answering afterwards", async () => {
      const { flags } = await open({ fallback: "baseline" });
      await flags.close();
      await flags.close();
      expect(flags.fallback(context()).value).toBe("baseline");
    });
  });
}
