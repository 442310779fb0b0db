/**
 * What can happen to a pool, each written as one whole number, so that a run is a list of numbers: quick to draw, and 0
 * is nothing, so that what does not matter can be shrunk away.
 *
 * @module
 */

import type { LossScope } from "../../../src/core/driver.ts";
import { Digits } from "./digits.ts";
import type { Reaction, World, WorldOptions } from "./world.ts";

/** Does it, or only says it: the name, and what was drawn. */
interface Action {
  readonly name: string;
  readonly weight: number;
  act(world: World, digits: Digits): readonly unknown[] | Promise<readonly unknown[]>;
}

/** What most borrowers do. */
const KEEP = ["keep", "keep", "keep", "keep", "keep", "keep", "keep"] as const;
/** What they do else. */
const REACTIONS = [
  "release",
  "destroy",
  "ask again",
  "send home",
  "release",
  "ask again",
  "send home",
  "suspend",
  "resume",
  "evict",
  "resize",
  "close and open",
] as const;

const ACTIONS: readonly Action[] = [
  { name: "nothing", weight: 1, act: () => [] },
  {
    name: "ask",
    weight: 16,
    act(world, digits) {
      const timeoutMs = digits.of(undefined, undefined, undefined, 30, 90, 350, 0, Infinity);
      const signal = digits.of(false, true);
      const reaction = digits.of<Reaction>(...KEEP, ...KEEP, ...REACTIONS);
      const priority = digits.of<"high" | "normal" | undefined>(
        undefined,
        undefined,
        undefined,
        "high",
        "normal",
      );
      const options = {
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(priority && { priority }),
      };
      world.ask(options, signal, reaction);
      return [timeoutMs, signal, reaction, priority];
    },
  },
  { name: "tryAcquire", weight: 2, act: (world) => (world.tryAcquire(), []) },
  {
    name: "release",
    weight: 9,
    act: (world, digits) => chosen(digits, (choice) => world.giveBack(choice, "release")),
  },
  {
    name: "destroy",
    weight: 1,
    act: (world, digits) => chosen(digits, (choice) => world.giveBack(choice, "destroy")),
  },
  {
    name: "release again",
    weight: 2,
    act: (world, digits) => chosen(digits, (choice) => world.giveBackAgain(choice)),
  },
  {
    name: "run",
    weight: 6,
    act(world, digits) {
      const text = digits.of("begin", "begin", "fail", "set k v", "select 1", "sleep 40", "sleep");
      return [text, ...chosen(digits, (choice) => world.run(choice, text))];
    },
  },
  {
    name: "abort",
    weight: 3,
    act: (world, digits) => chosen(digits, (choice) => world.abort(choice)),
  },
  {
    name: "cancel",
    weight: 2,
    act: (world, digits) => chosen(digits, (choice) => world.cancel(choice)),
  },
  {
    name: "break",
    weight: 3,
    act(world, digits) {
      const scope = digits.of<LossScope>("single", "single", "own", "doubt", "generation");
      return [scope, ...chosen(digits, (choice) => world.break(choice, scope))];
    },
  },
  {
    name: "answer",
    weight: 10,
    act: (world, digits) => chosen(digits, (choice) => world.answer(choice)),
  },
  {
    name: "refuse",
    weight: 3,
    act(world, digits) {
      const kind = digits.of("unavailable", "unavailable", "unavailable", "rejected");
      const scope = digits.of<LossScope>("doubt", "own", "generation");
      return [kind, scope, ...chosen(digits, (choice) => world.refuse(choice, kind, scope))];
    },
  },
  {
    name: "fault",
    weight: 3,
    act({ driver }, digits) {
      const operation = digits.of("reset", "ping", "ping", "close", "connect");
      const kind = digits.of("hold", "refuse", "delay");
      if (kind === "hold") driver.hold(operation, 1);
      else if (kind === "refuse") driver.refuse(operation, 1);
      else driver.delay(operation, 60, 1);
      return [operation, kind];
    },
  },
  {
    name: "tick",
    weight: 6,
    async act(world, digits) {
      const ms = digits.of(1, 7, 30, 100, 350, 700, 2_500);
      await world.tick(ms);
      return [ms];
    },
  },
  { name: "evict", weight: 0.5, act: (world) => (world.evict(), []) },
  {
    name: "evict some",
    weight: 1,
    act(world, digits) {
      const which = digits.of("one", "idle", "used", "all");
      const throws = digits.below(4) === 0;
      return [
        which,
        throws,
        ...chosen(digits, (choice) => world.evictSome(choice, which, throws)),
      ];
    },
  },
  { name: "condemn", weight: 1, act: (world) => (world.condemn(), []) },
  { name: "sleep", weight: 0.5, act: (world) => (world.sleep(), []) },
  {
    name: "resize",
    weight: 1.5,
    act(world, digits) {
      const max = digits.below(7);
      world.resize(max);
      return [max];
    },
  },
  { name: "suspend", weight: 0.6, act: (world) => (world.suspend(), []) },
  { name: "resume", weight: 1.5, act: (world) => (world.resume(), []) },
  {
    name: "ready",
    weight: 1,
    act(world, digits) {
      const timeoutMs = digits.of(1_000, 30, 0, Infinity);
      world.ready(timeoutMs);
      return [timeoutMs];
    },
  },
  {
    name: "abort ready",
    weight: 0.3,
    act: (world, digits) => chosen(digits, (choice) => world.abortReady(choice)),
  },
  { name: "heal", weight: 0.5, act: (world) => world.heal().then(() => []) },
  {
    name: "close",
    weight: 0.4,
    act(world, digits) {
      const timeoutMs = digits.of(200, 5_000, 0, Infinity);
      world.close(timeoutMs);
      return [timeoutMs];
    },
  },
  { name: "open", weight: 1.5, act: (world) => (world.open(), []) },
];

/** What a callback of the observer may do. */
const IN_CALLBACKS: ReadonlySet<string> = new Set([
  "ask",
  "tryAcquire",
  "release",
  "destroy",
  "abort",
  "evict",
  "evict some",
  "resize",
  "suspend",
  "resume",
  "ready",
  "close",
  "open",
]);

/** Weights in tenths, so that rare things can be rare. */
function table(actions: readonly Action[]): readonly Action[] {
  return actions.flatMap((action) =>
    Array.from({ length: Math.round(action.weight * 10) }, () => action)
  );
}

const TABLE = table(ACTIONS);
const CALLBACK_TABLE = table(ACTIONS.filter(({ name }) => IN_CALLBACKS.has(name)));

/** Largest number that stands for an action. */
export const MAX_ACTION = 2 ** 31 - 1;

/**
 * Does what a number stands for, then lets few or many promises settle and checks the world.
 *
 * @param world The world.
 * @param number The number.
 * @param told Told what was done.
 */
export async function act(
  world: World,
  number: number,
  told?: (what: string) => void,
): Promise<void> {
  const digits = new Digits(number);
  const action = TABLE[digits.below(TABLE.length)];
  if (action === undefined) return;
  // Races live between two turns: a third of the steps follow before everything has settled.
  const turns = digits.of(undefined, undefined, undefined, undefined, undefined, 0, 1, 2, 3);
  const drawn = await action.act(world, digits);
  told?.(`${action.name}(${drawn.join(", ")})${turns === undefined ? "" : ` then ${turns} turns`}`);
  await world.settle(turns);
}

/**
 * Does what a number stands for, in a callback of the pool's observer.
 *
 * @param world The world.
 * @param number The number.
 */
export function actInCallback(world: World, number: number): void {
  const digits = new Digits(number);
  void CALLBACK_TABLE[digits.below(CALLBACK_TABLE.length)]?.act(world, digits);
}

/**
 * Reads what a run starts from.
 *
 * @param number The number that stands for it.
 * @returns The options.
 */
export function worldOptions(number: number): WorldOptions {
  const digits = new Digits(number);
  const max = digits.of(1, 2, 3, 5);
  const minIdle = Math.min(max, digits.of(0, 0, 1, 2));
  return {
    max,
    maxWaiters: digits.of(Infinity, Infinity, 3, 0),
    acquireTimeoutMs: digits.of(1_000, 60_000, 0, Infinity),
    promises: digits.of(false, false, true),
    heldConnects: digits.of(false, true),
    chance: digits.of(0.5, 0, 0.999),
    checkAfterIdleMs: digits.of(1_000, 50, 0, Infinity),
    maxUses: digits.of(Infinity, 3, 1),
    reset: digits.of("rollback", "session", "none", "discard"),
    unavailable: digits.of("wait", "wait", "fail-fast"),
    minIdle,
    maxIdle: digits.of(undefined, undefined, minIdle, Math.max(minIdle, max - 1)),
    maxPendingConnects: digits.of(undefined, 1, 2),
    reserved: Math.min(max - 1, digits.of(0, 0, 1, 2)),
    lateWaiters: digits.of("queue", "queue", "refuse"),
    idleTimeoutMs: digits.of(300_000, 400, 2_000, Infinity),
    keepaliveMs: digits.of(Infinity, Infinity, 700, 250),
    maxLifetimeMs: digits.of(1_800_000, 1_800_000, 2_500),
    watcher: digits.of(undefined, 0, 1 + digits.below(1_000)),
  };
}

function chosen(digits: Digits, use: (choice: number) => void): readonly unknown[] {
  const choice = digits.below(12);
  use(choice);
  return [choice];
}
