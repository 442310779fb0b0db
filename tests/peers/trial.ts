/**
 * One client in one scenario, in a process of its own, on tables of its own.
 *
 * @module
 */

import type { RuntimeName } from "../support/harness.ts";
import { query } from "../support/query.ts";
import { Script } from "../soak/script.ts";
import type { World } from "../soak/world.ts";
import { GO, type Report, type WriterInput, WRITERS, WRITES } from "./protocol.ts";
import type { Scenario, Settled } from "./scenarios.ts";
import { type Tally, Trail } from "./tally.ts";
import { WireTruth } from "./wire_truth.ts";

/** After so many milliseconds a process is ended that does not end by itself. */
const CAP_MS = 90_000;

/** What is tried. */
export interface TrialOptions {
  readonly client: string;
  readonly runtime: RuntimeName;
  readonly scenario: Scenario;
  readonly world: World;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/**
 * Tries.
 *
 * @param options What.
 * @returns What became of the writes.
 */
export async function runTrial(options: TrialOptions): Promise<Tally> {
  const { client, runtime, scenario, world, signal } = options;
  const { proxy, server } = world;
  const database = `trial_${crypto.randomUUID().replaceAll("-", "")}`;
  await world.ask(`create database ${database}`);
  // Without a key, so that what is written twice is seen; but with one where repeating is meant to be harmless.
  const key = scenario.mode === "idempotent" ? "primary key" : "not null";
  await query(server.url({ database }), `create table writes (id text ${key})`);

  const truth = new WireTruth(scenario.mode === "transaction");
  const trail = new Trail(truth);
  const decide = scenario.judge?.() ?? (() => "pass");
  let armed = false;
  proxy.judge = (message) => {
    truth.see(message);
    return armed ? decide(message) : "pass";
  };
  try {
    const input: WriterInput = { client, url: world.urlOf(database), mode: scenario.mode };
    const script = new URL("./writer_main.ts", import.meta.url);
    await using writer = await Script.start<Report>({ runtime, script, input, tell: trail.take });
    const stop = () => void writer[Symbol.asyncDispose]();
    const cap = setTimeout(stop, CAP_MS);
    signal.addEventListener("abort", stop);
    try {
      await Promise.race([trail.warm, writer.exit]);
      await scenario.before?.(world);
      armed = true;
      writer.say(GO);
      const settled: Settled = (count) => Promise.race([trail.settled(count), end(writer)]);
      await scenario.during?.(world, settled);
      await writer.exit;
    } finally {
      clearTimeout(cap);
      signal.removeEventListener("abort", stop);
    }
  } finally {
    proxy.heal();
    proxy.cut();
  }
  const rows = await query<{ id: string; count: number }>(
    server.url({ database }),
    "select id, count(*)::int as count from writes where id like 'id-%' group by id",
  );
  await world.ask(`drop database ${database} with (force)`);
  return trail.count(new Map(rows.map(({ id, count }) => [id, count])), WRITERS * WRITES);
}

async function end(writer: Script): Promise<void> {
  await writer.exit;
}
