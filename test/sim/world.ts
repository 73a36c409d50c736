import { RouterError } from "../../src/core/errors.ts";
import type { Outcome } from "../../src/core/outcome.ts";
import { staticFlags } from "../../src/flags/static.ts";
import { tick } from "../../src/loop/tick.ts";
import type { Lease } from "../../src/ports.ts";
import { createMemoryLease } from "../../src/stores/memory-lease.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import type { Bugs } from "./bugs.ts";
import { createGate, faultyLedger, newLine, pauseAt, type Fault, type Gate, type PausePoint } from "./faulty-ledger.ts";
import { startInstance, type Instance, type Kept } from "./instance.ts";
import type { Circumstances } from "./judge-entry.ts";
import { judgeDifference, type Probe } from "./judge-served.ts";
import { createLedgerJudge } from "./ledger-judge.ts";
import { createTraffic, createUpstream } from "./traffic.ts";

const START = Date.UTC(2026, 0, 5);

type Asked = Circumstances["asked"][number];

interface Seat {
  instance: Instance | null;
  fault: Fault | null;
  kept: Kept | null;
  starts: number;
  gate: Gate | null;
  last: { readonly probe: Probe; readonly seen: number; readonly name: string } | null;
}

/**
 * Two processes on one ledger, one lease and one hand-cranked clock, with everything that can go wrong between
 * them. Each effect is judged where it happens; `check` throws the first promise that was seen broken.
 */
export function createWorld(bugs: Bugs = {}) {
  const clock = { at: START, now: () => clock.at };
  const judge = createLedgerJudge();
  const upstream = createUpstream();
  const lease = createMemoryLease();
  const inner = createMemoryLedger({ fence: lease.fence });
  const stored = bugs.storage?.(inner) ?? inner;
  const flagValues = {
    fallback: new Map<string, string>(),
    automation: new Map<string, boolean>(),
    mode: new Map<string, string>(),
  };
  const flags = staticFlags({
    fallback: ({ policy, segment }) => flagValues.fallback.get(`${policy}/${segment}`) ?? "",
    automation: (policy, segment) => flagValues.automation.get(`${policy}/${segment}`) ?? true,
    mode: (policy, segment) => flagValues.mode.get(`${policy}/${segment}`) ?? "",
  });
  const asked: Asked[] = [];
  const newSeat = (): Seat => ({ instance: null, fault: null, kept: null, starts: 0, gate: null, last: null });
  const seats = [newSeat(), newSeat()] as const;
  const traffic = createTraffic({
    judge,
    upstream,
    bugs,
    now: clock.now,
    fallback: (place) => flagValues.fallback.get(place) ?? "",
  });
  const labels: Outcome[] = [];

  const watch = (seat: Seat) => ({
    onCalled: (_drafts: unknown, fence: number | undefined) => {
      const automation = new Map(flagValues.automation);
      const mode = new Map(flagValues.mode);
      const heard = [...(seat.instance?.heard ?? [])];
      return (written: Parameters<typeof judge.onWritten>[0]) =>
        judge.onWritten(written, {
          fence,
          newestFence: lease.fence(),
          automation: (place) => automation.get(place) ?? true,
          mode: (place) => mode.get(place) ?? "",
          heard,
          asked,
        });
    },
    onAcknowledged: judge.onAcknowledged,
  });

  async function start(seat: Seat, place: number): Promise<void> {
    const line = newLine();
    line.fault = seat.fault;
    const faulty = faultyLedger(stored, line, watch(seat));
    seat.starts += 1;
    const name = `${place === 0 ? "east" : "west"}-${seat.starts}`;
    const table: Parameters<typeof startInstance>[1]["table"] = (compiled, state) =>
      bugs.table?.(compiled, state) ?? compiled;
    try {
      const ledger = bugs.ledger?.(faulty) ?? faulty;
      seat.instance = await startInstance({ ledger, clock, line }, { name, kept: seat.kept, table });
    } catch (error) {
      if (!(error instanceof RouterError)) throw error;
    }
  }

  /** As followers do all the time: reads what is new, and starts a process that is down. */
  async function poll(): Promise<void> {
    for (const [place, seat] of seats.entries()) {
      if (seat.instance === null) await start(seat, place);
      else if (seat.instance.paused === null) await refused(seat.instance.control.refresh());
    }
  }

  async function tickOn(seat: Seat, where: PausePoint | null = null): Promise<void> {
    const { instance } = seat;
    if (instance === null || instance.paused !== null) return;
    const gate = where === null ? null : createGate();
    if (where !== null && gate !== null) instance.line.pause = { where, gate };
    const leaseOfInstance: Lease = {
      ...lease,
      acquire: async (...args) => {
        const fence = await lease.acquire(...args);
        if (fence !== null) await pauseAt(instance.line, "with the lease");
        return fence;
      },
    };
    const { control } = instance;
    const believed: typeof control = {
      ...control,
      commit: (actor, build, options) =>
        control.commit(actor, (state, now) => build(bugs.belief?.(state) ?? state, now), options),
    };
    const running = refused(
      tick(
        {
          controlPlane: bugs.control?.(believed) ?? believed,
          scoreboard: bugs.scoreboard?.(instance.scoreboard) ?? instance.scoreboard,
          flags,
          lease: leaseOfInstance,
          clock,
        },
        instance.name,
      ),
    );
    if (gate === null) return void (await running);
    const isPaused = await Promise.race([running.then(() => false), gate.reached.then(() => true)]);
    instance.line.pause = null;
    if (!isPaused) return;
    seat.gate = gate;
    instance.paused = running;
  }

  async function resume(seat: Seat): Promise<void> {
    const { instance, gate } = seat;
    if (instance === null || gate === null) return;
    gate.release();
    await instance.paused;
    instance.paused = null;
    seat.gate = null;
  }

  async function crash(seat: Seat): Promise<void> {
    if (seat.instance === null) return;
    seat.instance.line.isDead = true;
    await resume(seat);
    seat.instance = null;
    seat.last = null;
  }

  /** Compares what each process serves with what it served when it was looked at last. */
  function compare(): void {
    for (const seat of seats) {
      const { instance, last } = seat;
      if (instance === null || instance.paused !== null) continue;
      const now = { probe: traffic.probe(instance), seen: instance.line.seen, name: instance.name };
      if (last?.seen === now.seen && last.name === now.name) continue;
      if (last?.name === now.name) judgeDifference(judge, last, now);
      seat.last = now;
    }
  }

  return {
    clock,
    judge,
    upstream,
    flagValues,
    asked,
    seats,
    traffic,
    labels,
    poll,
    tickOn,
    resume,
    crash,
    setFault: (seat: Seat, fault: Fault | null) => {
      seat.fault = fault;
      if (seat.instance !== null) seat.instance.line.fault = fault;
    },
    /** A label reaches every process that is up. */
    deliver: (outcome: Outcome) => {
      for (const { instance } of seats)
        if (instance !== null && instance.paused === null && instance.scoreboard.observe(outcome))
          instance.heard.push(outcome);
    },
    check: async () => {
      judge.checkChain(await stored.readStored(0, Number.MAX_SAFE_INTEGER));
      compare();
      const broken = judge.verdict();
      if (broken !== null) throw broken;
    },
  };
}

export type World = ReturnType<typeof createWorld>;

/** Refusals are part of the world; bugs are not. @returns the refusal, or what came of it */
export async function refused<T>(result: Promise<T>): Promise<RouterError | T> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof RouterError) return error;
    throw error;
  }
}
