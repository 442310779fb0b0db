/**
 * The soak from beginning to end.
 *
 * @module
 */

import { messageOf } from "../../src/core/errors.ts";
import { pause } from "../demo/pause.ts";
import type { Terminal } from "../demo/terminal.ts";
import { Chance } from "./chance.ts";
import { sayFarewell } from "./farewell.ts";
import { type Fault, planFaults } from "./fault.ts";
import { checkLedger } from "./ledger_check.ts";
import type { SoakOptions } from "./options.ts";
import type { WorkerOptions } from "./protocol.ts";
import { SoakRecord } from "./record.ts";
import { report } from "./report.ts";
import { sabotage } from "./sabotage.ts";
import { Script } from "./script.ts";
import { judge } from "./verdict.ts";
import { World } from "./world.ts";

/** Longest that one operation may take, in milliseconds: well above all deadlines and the longest accident together. */
const HANG_MS = 60_000;

/** How long the work goes on after the last accident, in milliseconds. */
const AFTERMATH_MS = 1_500;

/** How long the working process may take to begin, in milliseconds. */
const START_MS = 30_000;

/** Longest that one accident may take, in milliseconds: one that takes longer is broken itself. */
const STRIKE_MS = 60_000;

const TERMINAL_INTERVAL_MS = 200;
const PLAIN_INTERVAL_MS = 10_000;

/** Where it is told of. */
export type Screen = Pick<Terminal, "interactive" | "line" | "status">;

/** What the accidents of one run are made from. */
interface Stage {
  readonly world: World;
  readonly record: SoakRecord;
  readonly options: SoakOptions;
  readonly terminal: Screen;
  readonly signal: AbortSignal;
}

/**
 * Runs the soak.
 *
 * @param options What was asked for.
 * @param terminal Where to tell of it.
 * @param signal Breaks it off; everything is cleaned up, then it rejects with the signal's reason.
 * @returns What is wrong; nothing if all is well.
 */
export async function runSoak(
  options: SoakOptions,
  terminal: Screen,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { seed, runtime, seconds, tasks, rate } = options;
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startWorld(signal));
  terminal.line(
    `seed ${seed}: ${tasks} tasks, ${rate} operations a second, ${seconds} s on ${runtime}`,
  );
  const record = new SoakRecord();
  const input: WorkerOptions = { url: world.urlOf(), seed, tasks, rate, hangMs: HANG_MS };
  const script = new URL("./worker_main.ts", import.meta.url);
  const worker = stack.use(await Script.start({ runtime, script, input, tell: record.take }));
  const lost = new AbortController();
  worker.exit.then((exit) => lost.abort(new Error(`The working process ended: ${exit}`)));
  const stage: Stage = {
    ...{ world, record, options, terminal },
    signal: AbortSignal.any([signal, lost.signal]),
  };
  const aftermath = await during(stage, () => strikeAll(stage));
  signal.throwIfAborted();
  const farewell = await sayFarewell({ worker, record, world, hangMs: HANG_MS, signal });
  signal.throwIfAborted();
  const connects = world.proxy.connections;

  if (options.sabotage !== undefined) {
    const id = await sabotage(world.ask, record.ledger, options.sabotage);
    terminal.line(`sabotage (${options.sabotage}) of write ${id}`);
  }
  const findings = await checkLedger(world.ask, record.ledger);
  terminal.line(`\n${report({ record, findings, farewell, connects })}\n`);
  const problems = judge(findings, record, farewell, aftermath);
  for (const problem of problems) terminal.line(`WRONG: ${problem}`);
  terminal.line(
    problems.length > 0
      ? `FAILED with seed ${seed}`
      : "OK: nothing is lost, nothing is doubled, nothing hangs",
  );
  return problems;
}

async function startWorld(signal: AbortSignal): Promise<World> {
  try {
    return await World.start();
  } catch (error) {
    // Ctrl+C reaches the programs that make the server as well, which is no error of theirs.
    signal.throwIfAborted();
    throw new Error(`Cannot start PostgreSQL: ${messageOf(error)}`, { cause: error });
  }
}

/** Lets one accident after the other happen; returns how much was acknowledged after the last one. */
async function strikeAll({ world, record, options, signal }: Stage): Promise<number> {
  await started(record, signal);
  const end = performance.now() + options.seconds * 1_000;
  for (const { fault, pauseMs } of planFaults(new Chance(options.seed, 0))) {
    await pause(pauseMs, signal);
    if (signal.aborted || performance.now() >= end) break;
    await strike(fault, world, record, signal);
  }
  const before = record.acknowledged;
  await pause(AFTERMATH_MS, signal);
  return record.acknowledged - before;
}

async function started(record: SoakRecord, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (record.acknowledged === 0 && performance.now() < deadline && !signal.aborted) {
    await pause(20, signal);
  }
}

async function strike(
  { name, details, strike }: Fault,
  world: World,
  record: SoakRecord,
  signal: AbortSignal,
): Promise<void> {
  const from = record.elapsedMs;
  try {
    await withLimit(strike(world, signal), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`"${name}" (${details}) failed: ${messageOf(error)}`, { cause: error });
  }
  record.accidents.push({ name, details, from, to: record.elapsedMs });
}

/** Rejects when an accident takes too long, or when all is broken off: what it does to the server does not matter then. */
async function withLimit(strike: Promise<void>, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const limit = pause(STRIKE_MS, AbortSignal.any([signal, done.signal])).then(() => {
    signal.throwIfAborted();
    if (!done.signal.aborted) throw new Error(`not over after ${STRIKE_MS} ms`);
  });
  strike.catch(() => {});
  await Promise.race([strike, limit]).finally(() => done.abort());
}

/** Shows how far it is, meanwhile. */
async function during<T>(stage: Stage, fn: () => Promise<T>): Promise<T> {
  const { terminal } = stage;
  const show = () => terminal.status(progress(stage));
  const interval = terminal.interactive ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
  const timer = setInterval(show, interval);
  try {
    return await fn();
  } finally {
    clearInterval(timer);
    terminal.status("");
  }
}

function progress({ record, options }: Stage): string {
  const pools = record.pools.map(({ total, max, used, waiters }) =>
    `${total}/${max} (${used} used, ${waiters} waiting)`
  );
  const { ledger } = record;
  return `${(record.elapsedMs / 1_000).toFixed(0)} of ${options.seconds} s: ` +
    `${record.operations} operations, ${record.accidents.length} accidents; writes: ` +
    `${ledger.count("acknowledged")} acknowledged, ${ledger.count("refused")} refused, ` +
    `${ledger.count("unknown")} unknown; wrong ${record.wrongs.length}; pools ${pools.join(", ")}`;
}
