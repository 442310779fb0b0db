/**
 * Measures one mode at one concurrency. Each round makes every client anew and lets it open its connections; then they take
 * turns in short stretches, so that a slow moment of the machine falls on all of them.
 *
 * @module
 */

import { printResult, readInput } from "../child_result.ts";
import { type Client, clients, POOL_SIZE } from "./clients.ts";
import type { ChildInput, ChildReport } from "./exchange.ts";
import { load, type Stretch, together } from "./load.ts";

/** Turns in a round. */
const TURNS = 3;

/** A client at work. */
interface Competitor {
  readonly name: string;
  readonly client: Client;
  readonly work: () => Promise<unknown>;
  readonly stretches: Stretch[];
}

const input = readInput() as ChildInput;
const report: ChildReport = {};
for (const name of input.clients) report[name] = [];
for (let round = -1; round < input.rounds; round++) {
  for (const { name, stretches } of await measureRound(round)) {
    // The first round compiles the code.
    if (round >= 0) report[name]?.push(together(stretches));
  }
}
printResult(report);

async function measureRound(round: number): Promise<Competitor[]> {
  const { concurrency, warmUpMs, windowMs } = input;
  const competitors = input.clients.flatMap((name) => enter(name) ?? []);
  try {
    // Else a load of one would be spread over as many connections as each client happened to open for it.
    for (const { work } of competitors) {
      await load(work, Math.max(concurrency, POOL_SIZE), warmUpMs);
    }
    for (let turn = 0; turn < TURNS; turn++) {
      for (let place = 0; place < competitors.length; place++) {
        const competitor = competitors[(place + turn + round + 1) % competitors.length];
        competitor?.stretches.push(await load(competitor.work, concurrency, windowMs / TURNS));
      }
    }
  } finally {
    for (const { client } of competitors) await client.close();
  }
  return competitors;
}

function enter(name: string): Competitor | undefined {
  const client = clients[name]?.(input.url);
  const work = client?.[input.mode];
  if (client === undefined || work === undefined) return undefined;
  return { name, client, work, stretches: [] };
}
