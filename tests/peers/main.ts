/**
 * What becomes of writes when something breaks: this pool beside others.
 *
 * Each client goes through each scenario in a process of its own, one after the other, in an order that changes from
 * scenario to scenario and from round to round.
 *
 * @module
 */

import process from "node:process";
import { table } from "../../bench/markdown.ts";
import { messageOf } from "../../src/core/errors.ts";
import { print } from "../support/print.ts";
import { World } from "../soak/world.ts";
import { clientNames } from "./clients.ts";
import { parseOptions, type PeersOptions, USAGE, UsageError } from "./options.ts";
import { WRITERS, WRITES } from "./protocol.ts";
import { SCENARIOS } from "./scenarios.ts";
import type { Tally } from "./tally.ts";
import { runTrial } from "./trial.ts";

const HEAD = [
  ...["fault", "client", "acknowledged", "lost", "doubled", "failed in vain", "unknown"],
  ...["hung", "crashes", "longest s"],
];

/** Counts of one client in one scenario, over all rounds. */
type Results = Map<string, Map<string, Tally>>;

function add(sum: Tally | undefined, more: Tally): Tally {
  if (sum === undefined) return more;
  const errors = { ...sum.errors };
  for (const [name, count] of Object.entries(more.errors)) {
    errors[name] = (errors[name] ?? 0) + count;
  }
  return {
    acknowledged: sum.acknowledged + more.acknowledged,
    lost: sum.lost + more.lost,
    doubled: sum.doubled + more.doubled,
    inVain: sum.inVain + more.inVain,
    unknown: sum.unknown + more.unknown,
    unknownThere: sum.unknownThere + more.unknownThere,
    hung: sum.hung + more.hung,
    never: sum.never + more.never,
    crashes: sum.crashes + more.crashes,
    longestMs: Math.max(sum.longestMs, more.longestMs),
    errors,
  };
}

function rowOf(scenario: string, client: string, tally: Tally): string[] {
  const { acknowledged, lost, doubled, inVain, unknown, hung, never, crashes, longestMs } = tally;
  const numbers = [acknowledged, lost, doubled, inVain, unknown, hung + never, crashes];
  return [scenario, client, ...numbers.map(String), (longestMs / 1_000).toFixed(1)];
}

async function compare(options: PeersOptions, signal: AbortSignal): Promise<void> {
  const { runtime, rounds, only, client: chosen } = options;
  const clients = clientNames(runtime).filter((name) => chosen === undefined || name === chosen);
  const scenarios = SCENARIOS.filter(({ name }) => name.includes(only));
  const results: Results = new Map();
  await using world = await World.start();
  for (let round = 0; round < rounds; round++) {
    for (const [index, scenario] of scenarios.entries()) {
      const tallies = results.get(scenario.name) ?? new Map<string, Tally>();
      results.set(scenario.name, tallies);
      for (let turn = 0; turn < clients.length; turn++) {
        if (signal.aborted) return;
        const client = clients[(round + index + turn) % clients.length] ?? "";
        const tally = await runTrial({ client, runtime, scenario, world, signal });
        tallies.set(client, add(tallies.get(client), tally));
        print(rowOf(scenario.name, client, tally).join(", "));
        if (options.errors) print(`  ${JSON.stringify(tally.errors)}`);
      }
    }
  }
  const rows = [...results].flatMap(([name, tallies]) =>
    clients.flatMap((client, index) => {
      const tally = tallies.get(client);
      return tally === undefined ? [] : [rowOf(index === 0 ? name : "", client, tally)];
    })
  );
  print(`\n${runtime}, ${WRITERS * WRITES * rounds} writes each\n`);
  print(table(HEAD, rows));
}

async function main(): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => stop.abort());
  }
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) print(USAGE);
    else await compare(options, stop.signal);
    return stop.signal.aborted ? 130 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(`${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
}

const code = await main();
// The listeners for signals would keep the process alive.
process.exit(code);
