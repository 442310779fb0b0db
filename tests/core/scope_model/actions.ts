/**
 * What can happen to scopes, each written as one whole number, so that a run is a list of numbers.
 *
 * @module
 */

import type { LossScope } from "../../../src/core/driver.ts";
import { Digits } from "../model/digits.ts";
import type { PartyOptions } from "./party.ts";
import type { UseKind } from "./use.ts";
import type { AskOptions, World } from "./world.ts";

/** Does it and says what was drawn. */
interface Action {
  readonly name: string;
  readonly weight: number;
  act(world: World, digits: Digits): readonly unknown[] | Promise<readonly unknown[]>;
}

const CHOICES = 48;

const ACTIONS: readonly Action[] = [
  { name: "nothing", weight: 1, act: () => [] },
  {
    name: "enter",
    weight: 7,
    act(world, digits) {
      const [choice, which] = [digits.below(CHOICES), digits.below(3)];
      const options = { fresh: digits.of(false, false, true), handler: digits.of(false, true) };
      world.enter(world.place(choice), world.party(which), options);
      return [choice, which, options.fresh, options.handler];
    },
  },
  {
    name: "open",
    weight: 3,
    act(world, digits) {
      const which = digits.below(3);
      world.openScope(world.party(which));
      return [which];
    },
  },
  {
    name: "make context",
    weight: 2.5,
    act(world, digits) {
      const party = world.party(digits.below(3));
      if (party.contexts.length < 2) world.makeContext(party);
      return [];
    },
  },
  {
    name: "enter context",
    weight: 6,
    act(world, digits) {
      const [choice, which, owner] = [digits.below(CHOICES), digits.below(3), digits.below(2)];
      const { contexts } = world.party(which);
      const context = contexts[owner % Math.max(1, contexts.length)];
      if (context !== undefined) world.enterContext(world.place(choice), context);
      return [choice, which, owner];
    },
  },
  {
    name: "end context",
    weight: 0.7,
    act(world, digits) {
      const [choice, which, owner] = [digits.below(CHOICES), digits.below(3), digits.below(2)];
      const context = world.party(which).contexts[owner];
      if (context !== undefined) world.endContext(context, world.place(choice));
      return [choice, which, owner];
    },
  },
  {
    name: "end",
    weight: 3,
    act(world, digits) {
      const [choice, which, scope] = [digits.below(CHOICES), digits.below(3), digits.below(64)];
      const record = world.record(world.party(which), scope);
      if (record !== undefined) world.endScope(record, world.place(choice));
      return [choice, which, record?.number];
    },
  },
  {
    name: "outside",
    weight: 2,
    act(world, digits) {
      const [choice, which] = [digits.below(CHOICES), digits.below(3)];
      world.outside(world.place(choice), world.party(which));
      return [choice, which];
    },
  },
  {
    name: "finish",
    weight: 9,
    act(world, digits) {
      const [choice, fails] = [digits.below(CHOICES), digits.of(false, false, true)];
      world.finish(world.place(choice), fails);
      return [choice, fails];
    },
  },
  {
    name: "ask",
    weight: 26,
    act(world, digits) {
      const kind = digits.of<UseKind>("callback", "callback", "lease", "statement", "cursor");
      const [choice, which, scope] = [digits.below(CHOICES), digits.below(3), digits.below(64)];
      const party = world.party(which);
      const explicit = digits.of(false, true) ? world.record(party, scope) : undefined;
      const options: AskOptions = {
        explicit,
        timeoutMs: digits.of(undefined, undefined, undefined, 40, 200, 0, 3_000, Infinity),
        signal: digits.of(false, true),
        text: digits.of("select", "write", "write", "begin", "commit", "sleep 30", "fail", "die"),
      };
      world.ask(world.place(choice), party, kind, options);
      const { timeoutMs, text } = options;
      return [kind, choice, which, explicit?.number, timeoutMs, text];
    },
  },
  {
    name: "tryAcquire",
    weight: 3,
    act(world, digits) {
      const [choice, which, scope] = [digits.below(CHOICES), digits.below(3), digits.below(64)];
      const party = world.party(which);
      const explicit = digits.of(false, true) ? world.record(party, scope) : undefined;
      world.tryAcquire(world.place(choice), party, explicit);
      return [choice, which, explicit?.number];
    },
  },
  {
    name: "run",
    weight: 10,
    act(world, digits) {
      const text = digits.of(
        "select",
        "write",
        "begin",
        "write",
        "commit",
        "fail",
        "sleep 30",
        "sleep",
        "die",
      );
      const choice = digits.below(CHOICES);
      world.run(choice, text);
      return [choice, text];
    },
  },
  {
    name: "release",
    weight: 6,
    act(world, digits) {
      const [choice, place] = [digits.below(CHOICES), digits.below(CHOICES)];
      const how = digits.of("release", "release", "release", "destroy");
      world.release(choice, world.place(place), how);
      return [choice, place, how];
    },
  },
  {
    name: "abort",
    weight: 3,
    act(world, digits) {
      const [choice, place] = [digits.below(CHOICES), digits.below(CHOICES)];
      world.abort(choice, world.place(place));
      return [choice, place];
    },
  },
  {
    name: "break",
    weight: 2,
    act(world, digits) {
      const [which, choice] = [digits.below(3), digits.below(8)];
      const scope = digits.of<LossScope>("single", "single", "own", "doubt", "generation");
      world.break(world.party(which), choice, scope);
      return [which, choice, scope];
    },
  },
  {
    name: "fault",
    weight: 4,
    act(world, digits) {
      const party = world.party(digits.below(3));
      const operation = digits.of("connect", "connect", "execute", "ping", "reset", "close");
      const kind = digits.of("delay", "hold", "refuse");
      party.fail(operation, kind, digits.of(false, true));
      return [operation, kind];
    },
  },
  {
    name: "answer",
    weight: 4,
    act(world, digits) {
      const [which, choice] = [digits.below(3), digits.below(6)];
      world.answer(world.party(which), choice);
      return [which, choice];
    },
  },
  {
    name: "tick",
    weight: 7,
    async act(world, digits) {
      const ms = digits.of(1, 10, 30, 100, 400, 1_100);
      await world.clock.advance(ms);
      return [ms];
    },
  },
  {
    name: "evict",
    weight: 0.6,
    act: (world, digits) => (world.party(digits.below(3)).pool.evict(), []),
  },
  {
    name: "resize",
    weight: 0.8,
    act(world, digits) {
      const [which, max] = [digits.below(3), 1 + digits.below(4)];
      world.resize(world.party(which), max);
      return [which, max];
    },
  },
  {
    name: "suspend",
    weight: 0.4,
    act: (world, digits) => (world.party(digits.below(3)).pool.suspend(), []),
  },
  {
    name: "resume",
    weight: 1.5,
    act: (world, digits) => (world.party(digits.below(3)).pool.resume(), []),
  },
  {
    name: "close",
    weight: 0.2,
    act: (world, digits) => (world.close(world.party(digits.below(3))), []),
  },
];

/** Weights in tenths, so that rare things can be rare. */
const TABLE = ACTIONS.flatMap((action) =>
  Array.from({ length: Math.round(action.weight * 10) }, () => action)
);

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
 * Reads what a run starts from.
 *
 * @param number The number that stands for it.
 * @returns What each pool is told.
 */
export function worldOptions(number: number): readonly PartyOptions[] {
  const digits = new Digits(number);
  return Array.from({ length: digits.of(1, 2) }, () => ({
    max: digits.of(1, 2, 3),
    acquireTimeoutMs: digits.of(1_000, 30_000, Infinity, 0),
    checkAfterIdleMs: digits.of(1_000, 0, Infinity),
    maxUses: digits.of(Infinity, Infinity, 2),
    reset: digits.of("rollback", "session", "none"),
  }));
}
