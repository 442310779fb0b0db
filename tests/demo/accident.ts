/**
 * What goes wrong half-way: all sessions are ended, and then the server goes down.
 *
 * @module
 */

import type { Database } from "./database.ts";
import type { Meter, Stretch } from "./meter.ts";
import { pause } from "./pause.ts";

/** How long the service may take to recover from one blow, in milliseconds. */
const PATIENCE_MS = 5_000;

/** What happened. */
export interface Accident extends Stretch {
  /** Sessions that were ended. */
  readonly killed: number;
  /** When the server was down; undefined if it is not ours to restart. */
  readonly down: Stretch | undefined;
  /** Whether orders were acknowledged again that were sent after the last blow. */
  readonly recovered: boolean;
}

/** What it happens to. */
export interface AccidentContext {
  readonly database: Database;
  readonly meter: Meter;
  /** Told what happens. */
  readonly tell: (event: string) => void;
  /** Skips what can be skipped. */
  readonly signal: AbortSignal;
}

/**
 * Lets it happen.
 *
 * @param context What it happens to.
 * @returns What happened, when the service has recovered or had its chance.
 */
export async function causeAccident(context: AccidentContext): Promise<Accident> {
  const { database, meter, tell, signal } = context;
  const from = meter.elapsedMs;
  const killed = await database.killBackends();
  const to = meter.elapsedMs;
  tell(`killed ${killed} backends, all there were`);
  const recovered = await watchRecovery(context, to);
  const { restart } = database;
  if (signal.aborted || restart === undefined) {
    return { from, to, killed, down: undefined, recovered };
  }
  tell(`restarting the server in mode "immediate", which is a crash`);
  const down = await during(meter, restart);
  tell(`the server is back after ${Math.round(down.to - down.from)} ms`);
  return { from, to: down.to, killed, down, recovered: await watchRecovery(context, down.to) };
}

async function watchRecovery(
  { meter, tell, signal }: AccidentContext,
  since: number,
): Promise<boolean> {
  const patience = new AbortController();
  const tooLong = pause(PATIENCE_MS, AbortSignal.any([signal, patience.signal]));
  const recovered = await Promise.race([
    meter.acknowledgedSince(since).then(() => true),
    tooLong.then(() => false),
  ]);
  patience.abort();
  const ms = Math.round(meter.elapsedMs - since);
  if (recovered) tell(`new orders are acknowledged again, ${ms} ms later`);
  else if (!signal.aborted) tell(`no new order was acknowledged within ${ms} ms`);
  return recovered;
}

async function during(meter: Meter, fn: () => Promise<void>): Promise<Stretch> {
  const from = meter.elapsedMs;
  await fn();
  return { from, to: meter.elapsedMs };
}
