import fc from "fast-check";
import process from "node:process";
import { test } from "../../support/harness.ts";
import { checkModel } from "../model/check_model.ts";
import { act, worldOptions } from "./actions.ts";
import { World } from "./world.ts";

/** How many runs, of how many actions each. */
const RUNS = Number(process.env.STEADY_RUNS ?? 2_000);
const ACTIONS = 60;

test(`scopes keep their invariants in ${RUNS} runs of ${ACTIONS} actions`, () =>
  checkModel({
    name: "scopes",
    runs: RUNS,
    actions: ACTIONS,
    action: fc.maxSafeNat(),
    options: worldOptions,
    async run(start, actions, told) {
      const world = new World(worldOptions(start));
      for (const action of actions) await act(world, action, told);
      await world.end();
    },
  }));
