import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Checkpoints } from "../../src/ports.ts";

export interface CheckpointsUnderTest {
  readonly checkpoints: Checkpoints;
  readonly clean: () => Promise<void>;
}

/** What every store of checkpoints promises. */
export function checkpointsContract(name: string, open: () => Promise<CheckpointsUnderTest>): void {
  describe(`the ${name} checkpoints`, () => {
    let under: CheckpointsUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.clean());

    test("give null for a name that was never saved", async () => {
      expect(await under.checkpoints.load("detector")).toBeNull();
    });

    test("give back the last value saved under a name, and leave other names alone", async () => {
      const { checkpoints } = under;
      await checkpoints.save("detector", { streams: [1, 2.5, null], text: "ü\u0000😀" });
      await checkpoints.save("scoreboard", [true]);
      await checkpoints.save("detector", { streams: [] });
      expect(await checkpoints.load("detector")).toEqual({ streams: [] });
      expect(await checkpoints.load("scoreboard")).toEqual([true]);
    });

    test("are not changed by what happens to the value afterwards", async () => {
      const value = { streams: [1] };
      await under.checkpoints.save("detector", value);
      value.streams.push(2);
      expect(await under.checkpoints.load("detector")).toEqual({ streams: [1] });
      ((await under.checkpoints.load("detector")) as typeof value).streams.push(3);
      expect(await under.checkpoints.load("detector")).toEqual({ streams: [1] });
    });

    test("keep the old value when the new one has no JSON", async () => {
      await under.checkpoints.save("detector", { streams: [1] });
      const endless: Record<string, unknown> = {};
      endless.self = endless;
      await expect(under.checkpoints.save("detector", endless)).rejects.toThrow();
      expect(await under.checkpoints.load("detector")).toEqual({ streams: [1] });
    });
  });
}
