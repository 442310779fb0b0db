/**
 * Measures one mode at one concurrency: the clients take turns, each turn with a client freshly made.
 *
 * @module
 */

import { printResult, readInput } from "../child_result.ts";
import { clients } from "./clients.ts";
import type { ChildInput, ChildReport } from "./exchange.ts";
import { load, type Stretch } from "./load.ts";

const input = readInput() as ChildInput;
const report: ChildReport = {};
for (const name of input.clients) report[name] = [];
for (let round = -1; round < input.rounds; round++) {
  for (const name of input.clients) {
    const stretch = await measure(name);
    // The first round compiles the code.
    if (round >= 0 && stretch !== undefined) report[name]?.push(stretch);
  }
}
printResult(report);

async function measure(name: string): Promise<Stretch | undefined> {
  const client = clients[name]?.(input.url);
  const work = client?.[input.mode];
  if (client === undefined || work === undefined) return undefined;
  try {
    await load(work, input.concurrency, input.warmUpMs);
    return await load(work, input.concurrency, input.windowMs);
  } finally {
    await client.close();
  }
}
