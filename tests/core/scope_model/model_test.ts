import fc from "fast-check";
import process from "node:process";
import { test } from "../../support/harness.ts";
import { print } from "../../support/print.ts";
import { act, worldOptions } from "./actions.ts";
import { World } from "./world.ts";

/** How many runs, of how many actions each. */
const RUNS = Number(process.env.STEADY_RUNS ?? 2_000);
const ACTIONS = 60;

/** One run: a world, so many actions, the end. */
async function run(start: number, actions: readonly number[], told?: (what: string) => void) {
  const world = new World(worldOptions(start));
  for (const action of actions) await act(world, action, told);
  await world.end();
}

/** What happened in a run, up to where it went wrong. */
async function retell(start: number, actions: readonly number[]): Promise<string> {
  const lines = [
    JSON.stringify(worldOptions(start), (_, value) => value === Infinity ? "∞" : value),
  ];
  await run(start, actions, (what) => what.startsWith("nothing") || lines.push(what)).catch(
    () => {},
  );
  return lines.join("\n  ");
}

test(`scopes keep their invariants in ${RUNS} runs of ${ACTIONS} actions`, async () => {
  const seed = Number(process.env.STEADY_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const path = process.env.STEADY_PATH;
  print(`scopes: seed ${seed}`);
  const property = fc.asyncProperty(
    fc.maxSafeNat(),
    fc.array(fc.maxSafeNat(), { minLength: ACTIONS, maxLength: ACTIONS, size: "max" }),
    (start, actions) => run(start, actions),
  );
  const result = await fc.check(property, { numRuns: RUNS, seed, ...(path && { path }) });
  if (!result.failed) return;
  const [start, actions] = result.counterexample ?? [0, []];
  throw new Error(
    `${result.errorInstance}\n\n  ${await retell(start, actions)}\n\n` +
      `Replay with STEADY_SEED=${seed} STEADY_PATH=${result.counterexamplePath}`,
    { cause: result.errorInstance },
  );
});
