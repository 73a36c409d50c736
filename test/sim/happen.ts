import type { Actor } from "../../src/core/actor.ts";
import { RouterError } from "../../src/core/errors.ts";
import type { Event, FreezeScope } from "../../src/core/event.ts";
import { changeDigest, type Change } from "../../src/core/switchover.ts";
import { approveSwitchover, rejectSwitchover, rollBackSwitchover } from "../../src/loop/decide-switchover.ts";
import { freeze, unfreeze } from "../../src/loop/freeze.ts";
import { publishPolicies } from "../../src/loop/publish-policy.ts";
import { recordSignal } from "../../src/loop/record-signal.ts";
import type { Bugs } from "./bugs.ts";
import type { ActorName, Scope, SignalStep, Slot, Step } from "./histories.ts";
import type { Instance } from "./instance.ts";
import { digestOf } from "./judge-entry.ts";
import { freezesOver, nameOf, placeOf, servedNow } from "./model.ts";
import { outage } from "./outage.ts";
import { places, policyAs, policyIds } from "./policies.ts";
import { refused, type World } from "./world.ts";

const actors: Record<ActorName, Actor> = {
  alice: { kind: "user", id: "alice", keyId: "k1" },
  bob: { kind: "user", id: "bob", keyId: "k2" },
  machine: { kind: "key", id: "k3" },
  operator: { kind: "operator", id: "root" },
  // Somebody who calls himself like the loop is still somebody.
  impostor: { kind: "webhook", source: "alice" },
};

const placeAt = (index: number) => places[index % places.length] ?? places[0];

/** A process that can be asked, the one named if it is up. */
function processAt({ seats }: World, slot: Slot): Instance | null {
  const isUp = (instance: Instance | null) => instance !== null && instance.paused === null;
  const [named, other] = slot === 0 ? seats : [seats[1], seats[0]];
  return isUp(named.instance) ? named.instance : isUp(other.instance) ? other.instance : null;
}

/** Publishes the policies as they are at first and lets both processes see some healthy traffic. */
export async function begin(world: World, bugs: Bugs = {}): Promise<void> {
  await world.poll();
  for (const policy of policyIds)
    await happen(world, { kind: "publish", slot: 0, policy, revision: "as it was" }, bugs);
  await happen(world, { kind: "serve", slot: 0, place: "all", count: 12, labels: "now" }, bugs);
  for (const slot of [1, 0] as const) {
    await happen(world, { kind: "pass", seconds: 15 }, bugs);
    await happen(world, { kind: "tick", slot }, bugs);
  }
}

/** Lets one thing happen, then throws the first promise that was broken by it. */
export async function happen(world: World, step: Step, bugs: Bugs = {}): Promise<void> {
  await world.poll();
  await perform(world, step, bugs);
  await world.check();
}

async function perform(world: World, step: Step, bugs: Bugs): Promise<void> {
  const { seats, clock } = world;
  switch (step.kind) {
    case "serve":
      return serve(world, step);
    case "deliver": {
      const chosen = world.labels.splice(step.newestFirst ? -step.count : 0, step.count);
      if (step.newestFirst) chosen.reverse();
      for (const outcome of chosen) for (let i = step.twice ? 2 : 1; i > 0; i--) world.deliver(outcome);
      return;
    }
    case "quality": {
      const { policy, segment, rungs } = placeAt(step.place);
      world.upstream.degrade(policy, segment, rungs[step.rung % rungs.length] ?? "first", step.loss);
      return;
    }
    case "turn": {
      const { policy, segment, rungs } = placeAt(step.place);
      const works = rungs[step.rung % rungs.length];
      for (const variant of rungs) world.upstream.degrade(policy, segment, variant, variant === works ? 0.05 : 0.9);
      return;
    }
    case "collapse": {
      const place = placeAt(step.place);
      const record = world.judge.model.segments.get(placeOf(place));
      if (record === undefined) return;
      world.upstream.degrade(place.policy, place.segment, servedNow(record).incumbent, 0.9);
      await serve(world, { slot: step.slot, place: step.place, count: 30, labels: "now" });
      return world.tickOn(seats[step.slot]);
    }
    case "outage":
      return outage(world, step, {
        happen: (next) => happen(world, next, bugs),
        perform: (next) => perform(world, next, bugs),
      });
    case "pass":
      clock.at += step.seconds * 1000;
      return;
    case "fault":
      for (const seat of step.slot === "both" ? seats : [seats[step.slot]]) world.setFault(seat, step.fault);
      // A follower that asks in vain is what tells a process that it is cut off.
      return world.poll();
    case "checkpoint":
      seats[step.slot].kept = seats[step.slot].instance?.checkpoint() ?? seats[step.slot].kept;
      return;
    case "crash":
      if (!step.keepsCheckpoint) seats[step.slot].kept = null;
      return world.crash(seats[step.slot]);
    case "tick":
      return world.tickOn(seats[step.slot]);
    case "pause":
      // One process is paused at a time: with both there is nobody to act.
      return seats.some(({ gate }) => gate !== null) ? undefined : world.tickOn(seats[step.slot], step.where);
    case "resume":
      for (const seat of seats) await world.resume(seat);
      return world.poll();
    case "flag":
      return setFlag(world, step);
    case "signal":
    case "propose":
    case "decide":
    case "freeze":
    case "unfreeze":
    case "publish": {
      const instance = processAt(world, step.slot);
      if (instance !== null) await ask(world, instance, step, bugs);
    }
  }
}

async function serve(
  world: World,
  { slot, place, count, labels }: Omit<Extract<Step, { kind: "serve" }>, "kind">,
): Promise<void> {
  const instance = processAt(world, slot);
  if (instance === null) return;
  const { policies } = world.judge.model;
  const chosen = place === "all" ? places.filter(({ policy }) => policies.has(policy)) : [placeAt(place)];
  for (let i = 0; i < count; i++) {
    const outcome = world.traffic.serve(instance, chosen[i % chosen.length] ?? places[0]);
    if (outcome === null) continue;
    if (labels === "now") world.deliver(outcome);
    if (labels === "later") world.labels.push(outcome);
  }
}

function setFlag({ flagValues }: World, { place, flag }: Extract<Step, { kind: "flag" }>): void {
  const name = placeOf(placeAt(place));
  if (flag.name === "automation") flagValues.automation.set(name, flag.value);
  else flagValues[flag.name].set(name, flag.value);
}

type Request = Extract<
  Step,
  { readonly slot: Slot; readonly kind: "signal" | "propose" | "decide" | "freeze" | "unfreeze" | "publish" }
>;

async function ask(world: World, { control: controlPlane }: Instance, step: Request, bugs: Bugs): Promise<void> {
  const deps = { controlPlane };
  switch (step.kind) {
    case "signal": {
      const request = { signals: [signalOf(step.signal, world.clock.now())], actor: actors.machine };
      await refused(recordSignal(deps, request));
      if (step.signal.twice) await refused(recordSignal(deps, request));
      return;
    }
    case "propose":
      return void (await refused(proposeByHand(world, controlPlane, step)));
    case "decide":
      return decideOn(world, controlPlane, step, bugs);
    case "freeze":
      return void (await refused(
        freeze(deps, {
          scope: scopeOf(step.scope),
          reason: "simulated",
          forSeconds: step.seconds,
          actor: actors.alice,
        }),
      ));
    case "unfreeze":
      return void (await refused(
        unfreeze(deps, { scope: scopeOf(step.scope), reason: "simulated", actor: actors.alice }),
      ));
    case "publish":
      return void (await refused(
        publishPolicies(deps, {
          policies: [{ policy: policyAs(step.policy, step.revision), prompts: {} }],
          expectedRevision: null,
          actor: actors.alice,
        }),
      ));
  }
}

function signalOf(step: SignalStep, now: number) {
  const { policy, segment, rungs } = placeAt(step.place);
  const observedAt = Math.max(0, now - step.ageSeconds * 1000);
  const variant = rungs[step.rung % rungs.length] ?? "first";
  return {
    id: `${segment}-${variant}-${step.status}@${observedAt}`,
    source: step.source,
    policy,
    segment,
    variant,
    metric: "quality",
    status: step.status,
    observedAt,
    evidence: step.lossMean === null ? {} : { lossMean: step.lossMean },
  };
}

function scopeOf(scope: Scope): FreezeScope {
  if (scope === "everything") return {};
  if (typeof scope === "string") return { policy: scope };
  const { policy, segment } = placeAt(scope);
  return { policy, segment };
}

/** A person plans a move; no verb of ours does that yet, so the event is committed as one would. */
function proposeByHand({ judge }: World, controlPlane: Instance["control"], step: Extract<Step, { kind: "propose" }>) {
  const { policy, segment, rungs } = placeAt(step.place);
  const actor = actors[step.actor];
  return controlPlane.commit(actor, (state, now): Event[] => {
    const record = judge.model.segments.get(`${policy}/${segment}`);
    const to = rungs[step.rung % rungs.length] ?? "first";
    const isValidated = record?.definition.ladder.some(({ variant }) => variant === to);
    if (record === undefined || record.open !== null || servedNow(record).incumbent === to || !isValidated) return [];
    if (freezesOver(judge.model, policy, segment).length > 0) return [];
    const change: Change = {
      policy,
      segment,
      from: servedNow(record).incumbent,
      to,
      cause: "manual",
      metric: "quality",
      steps: [{ share: 0.5, labelsMin: 10, secondsMin: 0 }],
      basedOn: state.revision,
      evidence: {},
    };
    const phase = { kind: "proposed", since: now, expiresAt: now + 7_200_000 } as const;
    const id = `${segment}-${state.head.seq + 1}`;
    const switchover = {
      id,
      change,
      digest: changeDigest(change),
      gate: "approval",
      proposedBy: actor,
      phase,
    } as const;
    return [{ type: "switchover.proposed", switchover }];
  });
}

async function decideOn(
  world: World,
  controlPlane: Instance["control"],
  step: Extract<Step, { kind: "decide" }>,
  bugs: Bugs,
): Promise<void> {
  const { switchovers } = world.judge.model;
  const all = [...switchovers.values()];
  const open = all.filter(({ phase }) => phase === "proposed" || phase === "canary" || phase === "approved");
  const candidates = step.which % 2 === 0 && open.length > 0 ? open : all.slice(-3);
  const chosen = candidates[step.which % candidates.length];
  if (chosen === undefined) return;
  const actor = actors[step.actor];
  const input = { id: chosen.id, actor, reason: "simulated" };
  if (step.decision === "reject") return void (await refused(rejectSwitchover({ controlPlane }, input)));
  if (step.decision === "roll back") return rollBack(world, controlPlane, input, bugs);
  const digest = digestOf(step.wrongDigest ? { ...chosen.change, to: "another" } : chosen.change);
  world.asked.push({ id: chosen.id, actor: nameOf(actor), digest });
  const sent = bugs.digest?.(digest, controlPlane.state(), chosen.id) ?? digest;
  await refused(approveSwitchover({ controlPlane }, { ...input, digest: sent }));
}

async function rollBack(
  world: World,
  controlPlane: Instance["control"],
  input: { readonly id: string; readonly actor: Actor; readonly reason: string },
  bugs: Bugs,
): Promise<void> {
  const mustWork = canRollBack(world, input.id);
  const isRefused = bugs.refusesRollBack?.(controlPlane.state(), input.id) === true;
  const answer = isRefused
    ? new RouterError("forbidden", "planted")
    : await refused(rollBackSwitchover({ controlPlane }, input));
  if (answer instanceof RouterError && answer.code !== "unavailable" && mustWork)
    world.judge.accuse(12, `${nameOf(input.actor)} may not roll back ${input.id}: ${answer.message}`);
}

/** Whether there is something to roll back, and something to go back to. */
function canRollBack({ judge: { model } }: World, id: string): boolean {
  const switchover = model.switchovers.get(id);
  const record = switchover === undefined ? undefined : model.segments.get(placeOf(switchover.change));
  if (switchover === undefined || record === undefined) return false;
  if (record.open === id) return switchover.phase === "canary" || switchover.phase === "approved";
  if (switchover.phase !== "confirmed" || record.latest !== id || record.open !== null) return false;
  return record.definition.ladder.some(({ variant }) => variant === switchover.change.from);
}
