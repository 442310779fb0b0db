/**
 * Random runs of a model, which can be told again and replayed.
 *
 * @module
 */

import fc from "fast-check";
import process from "node:process";
import { print } from "../../support/print.ts";

/** A model, and how often it is run. */
export interface Model {
  /** What is printed with the seed. */
  readonly name: string;
  /** How many runs. */
  readonly runs: number;
  /** Of how many actions each. */
  readonly actions: number;
  /** What stands for an action. */
  readonly action: fc.Arbitrary<number>;
  /** What a world is made with, from a number. */
  readonly options: (start: number) => unknown;
  /** One run: a world, so many actions, the end. */
  readonly run: (
    start: number,
    actions: readonly number[],
    told?: (what: string) => void,
  ) => Promise<void>;
}

/**
 * Runs a model, as often as it says, or a run that failed before (`STEADY_SEED`, `STEADY_PATH`).
 *
 * @param model The model.
 * @throws {Error} With the smallest run found that fails.
 */
export async function checkModel(model: Model): Promise<void> {
  const { name, runs, actions: count, action, run } = model;
  const seed = Number(process.env.STEADY_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const path = process.env.STEADY_PATH;
  print(`${name}: seed ${seed}`);
  const property = fc.asyncProperty(
    fc.maxSafeNat(),
    fc.array(action, { minLength: count, maxLength: count, size: "max" }),
    (start, actions) => run(start, actions),
  );
  const result = await fc.check(property, { numRuns: runs, seed, ...(path && { path }) });
  if (!result.failed) return;
  const [start, actions] = result.counterexample ?? [0, []];
  throw new Error(
    `${result.errorInstance}\n\n  ${await retell(model, start, actions)}\n\n` +
      `Replay with STEADY_SEED=${seed} STEADY_PATH=${result.counterexamplePath}`,
    { cause: result.errorInstance },
  );
}

/** What happened in a run, up to where it went wrong. */
async function retell(
  { options, run }: Model,
  start: number,
  actions: readonly number[],
): Promise<string> {
  const lines = [
    JSON.stringify(options(start), (_, value) => value === Infinity ? "∞" : value),
  ];
  await run(start, actions, (what) => what.startsWith("nothing") || lines.push(what)).catch(
    () => {},
  );
  return lines.join("\n  ");
}
