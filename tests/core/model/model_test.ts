import fc from "fast-check";
import process from "node:process";
import { test } from "../../support/harness.ts";
import { act, actInCallback, MAX_ACTION, worldOptions } from "./actions.ts";
import { checkModel } from "./check_model.ts";
import { World } from "./world.ts";

/** How many runs, of how many actions each. */
const RUNS = Number(process.env.STEADY_RUNS ?? 10_000);
const ACTIONS = 80;

test(`Pool keeps its invariants in ${RUNS} runs of ${ACTIONS} actions`, () =>
  checkModel({
    name: "model",
    runs: RUNS,
    actions: ACTIONS,
    action: fc.nat(MAX_ACTION),
    options: worldOptions,
    async run(start, actions, told) {
      const world = new World(worldOptions(start), actInCallback);
      for (const action of actions) await act(world, action, told);
      await world.end();
    },
  }));
