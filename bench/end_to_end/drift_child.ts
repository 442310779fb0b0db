/**
 * Measures one client second by second.
 *
 * @module
 */

import { printResult, readInput } from "../child_result.ts";
import { clients } from "./clients.ts";
import type { DriftInput } from "./exchange.ts";
import { load } from "./load.ts";

const { client: name, concurrency, seconds, url } = readInput() as DriftInput;
const client = clients[name]?.(url);
const select1 = client?.select1;
if (client === undefined || select1 === undefined) throw new TypeError(`no client ${name}`);
// Compilation would make the first second look slow, and so hide a drift.
await load(select1, concurrency, 500);
const perSecond: number[] = [];
for (let second = 0; second < seconds; second++) {
  perSecond.push((await load(select1, concurrency, 1_000)).perSecond);
}
await client.close();
printResult(perSecond);
