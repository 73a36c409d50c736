import { createCases, type Cases } from "./core/cases.ts";
import { createScoreboard, type Scoreboard } from "./core/scoreboard.ts";
import { createLimits, type Limits } from "./gateway/limits.ts";
import { restoredShadowMemory, type ShadowMemory } from "./gateway/shadow-memory.ts";
import type { Checkpoints, Clock, ControlPlane, Counters, Log } from "./ports.ts";
import { restoredLossHistory, type KeptLossHistory } from "./reports/kept-loss-history.ts";

interface LearntDeps {
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  readonly controlPlane: Pick<ControlPlane, "state">;
}

/** What a restart would otherwise have to learn again. */
export interface Learnt {
  readonly cases: Cases;
  readonly scoreboard: Scoreboard;
  readonly limits: Limits;
  readonly shadowMemory: ShadowMemory;
  readonly lossHistory: KeptLossHistory;
  readonly save: () => Promise<void>;
  /** The labelled answers by which an alarm says whom it is about, and the history of losses: they are large, and change little. */
  readonly saveCases: () => Promise<void>;
}

const SCOREBOARD = "scoreboard";
/** Of its own, because it is larger and its loss costs less. */
const CASES = "cases";
const LIMITS = "limits";

/** A checkpoint that cannot be read costs what was learnt, never the start. */
export async function restoreLearnt(deps: LearntDeps): Promise<Learnt> {
  const { checkpoints } = deps;
  const cases = await restoredCases(deps);
  const scoreboard = await restoredScoreboard(deps, cases);
  const limits = await restoredLimits(deps);
  const shadowMemory = await restoredShadowMemory(deps);
  const lossHistory = await restoredLossHistory(deps);
  return {
    cases,
    scoreboard,
    limits,
    shadowMemory,
    lossHistory,
    save: async () => {
      await checkpoints.save(SCOREBOARD, scoreboard.save());
      await checkpoints.save(LIMITS, limits.save());
      await shadowMemory.save();
    },
    saveCases: async () => {
      await checkpoints.save(CASES, cases.save());
      await lossHistory.save();
    },
  };
}

async function restoredScoreboard({ checkpoints, log }: LearntDeps, cases: Cases): Promise<Scoreboard> {
  try {
    return createScoreboard(await checkpoints.load(SCOREBOARD), cases);
  } catch (error) {
    log.warn("the detectors' checkpoint could not be read: they start afresh", { error });
    return createScoreboard(undefined, cases);
  }
}

async function restoredCases({ checkpoints, log }: LearntDeps): Promise<Cases> {
  try {
    return createCases(await checkpoints.load(CASES));
  } catch (error) {
    log.warn("the checkpoint of labelled answers could not be read: alarms cannot yet say whom they are about", {
      error,
    });
    return createCases();
  }
}

/** What keys have used; a checkpoint that cannot be read forgets it. */
async function restoredLimits({ checkpoints, clock, counters, log, controlPlane }: LearntDeps): Promise<Limits> {
  const deps = { clock, counters, hasKey: (id: string) => Object.hasOwn(controlPlane.state().keys, id) };
  try {
    return createLimits(deps, await checkpoints.load(LIMITS));
  } catch (error) {
    log.warn("the checkpoint of what keys have used could not be read: their budgets start afresh", { error });
    return createLimits(deps);
  }
}
