import type { Scenario } from "../scenario.ts";
import { aborts } from "./aborts.ts";
import { contended } from "./contended.ts";
import { drain } from "./drain.ts";
import { endurance } from "./endurance.ts";
import { heap } from "./heap.ts";
import { idle, used } from "./scale.ts";
import { scope } from "./scope.ts";
import { timeouts } from "./timeouts.ts";
import { uncontended } from "./uncontended.ts";

/** All scenarios, in the order they are run. */
export const scenarios: readonly Scenario[] = [
  uncontended,
  contended,
  scope,
  drain,
  timeouts,
  aborts,
  idle,
  used,
  heap,
  endurance,
];
