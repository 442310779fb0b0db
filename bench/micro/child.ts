/**
 * One scenario on one pool. Run by itself it can be profiled:
 * `deno run -A --cpu-prof bench/micro/child.ts '{"kind":"steady","scenario":"contended"}'`.
 *
 * @module
 */

import { printResult, readInput } from "../child_result.ts";
import { FULL, QUICK } from "./effort.ts";
import { loadKind } from "./kinds.ts";
import { scenarios } from "./scenarios/all.ts";
import { Yardstick } from "./yardstick.ts";

const input = readInput() as {
  readonly kind: string;
  readonly scenario: string;
  readonly quick?: boolean;
};
// pg-pool lets the process end while somebody waits for its timers.
setInterval(() => {}, 60_000);

const scenario = scenarios.find(({ name }) => name === input.scenario);
if (scenario === undefined) throw new TypeError(`Unknown scenario: ${input.scenario}`);
const kind = await loadKind(input.kind);
if (scenario.suits(kind)) {
  const yardstick = await Yardstick.create();
  const measures = await scenario.run(kind, { effort: input.quick ? QUICK : FULL, yardstick });
  printResult({ ...measures, stepNs: yardstick.readings });
} else printResult(null);
