/**
 * The demo from beginning to end.
 *
 * @module
 */

import { messageOf } from "../../src/core/errors.ts";
import { type Accident, causeAccident } from "./accident.ts";
import { App } from "./app.ts";
import type { AppRuntime } from "./app_command.ts";
import { type Database, startServer, useServer } from "./database.ts";
import { Ledger } from "./ledger.ts";
import { checkLedger } from "./ledger_check.ts";
import { Load } from "./load.ts";
import { Meter } from "./meter.ts";
import type { DemoOptions } from "./options.ts";
import { pause } from "./pause.ts";
import { secondsOf, showProgress } from "./progress.ts";
import { report } from "./report.ts";
import { sabotage } from "./sabotage.ts";
import { createTables } from "./schema.ts";
import type { Terminal } from "./terminal.ts";
import { judge } from "./verdict.ts";

/** How long the load goes on after the accident, at least. */
const AFTERMATH_MS = 500;

/** How long requests that are under way in the end may take. */
const DRAIN_MS = 10_000;

/**
 * Runs the demo.
 *
 * @param options What was asked for, and the URL of a server to use instead of one of the demo's own.
 * @param terminal Where to tell of it.
 * @param signal Breaks it off; everything is cleaned up, then it rejects with the signal's reason.
 * @returns Whether all is well.
 */
export async function runDemo(
  options: DemoOptions & { readonly databaseUrl: string | undefined },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<boolean> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openDatabase(options.databaseUrl, terminal, signal));
  await createTables(database.url);
  signal.throwIfAborted();

  const app = stack.use(await startApp(options.runtime, database.url, signal));
  const { pool } = await app.stats();
  signal.throwIfAborted();

  const meter = new Meter();
  const ledger = new Ledger();
  const { clients, rate, seconds } = options;
  const connections = `${pool.max} connections${app.poolPerRequest ? " for each request" : ""}`;
  terminal.line(`service: ${app.url} on ${app.runtime}, pool of ${connections}`);
  terminal.line(`load: ${clients} clients, ${rate} requests a second, for ${seconds} s`);
  const accident = await runLoad({
    ...{ database, ledger, meter, terminal, options, app },
    signal: AbortSignal.any([signal, app.lost]),
  });
  const service = await app.stats();
  // Before the check, so that nothing is under way any more.
  await app.end();

  if (options.sabotage !== undefined) {
    const id = await sabotage(database.url, ledger, options.sabotage);
    terminal.line(`sabotage (${options.sabotage}) of order ${id}`);
  }
  const findings = await checkLedger(database.url, ledger);
  signal.throwIfAborted();
  terminal.line("\n" + report({ meter, accident, findings, service, app }) + "\n");
  const problems = judge(findings, ledger, meter, accident);
  for (const problem of problems) terminal.line(`WRONG: ${problem}`);
  terminal.line(
    problems.length > 0
      ? "FAILED"
      : "OK: every acknowledged order is there, once, and the sums agree",
  );
  return problems.length === 0;
}

async function openDatabase(
  url: string | undefined,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Database> {
  try {
    const database = await (url === undefined ? startServer() : useServer(url));
    terminal.line(`database: ${database.description}`);
    if (!database.restart) terminal.line("it is not ours to restart: connections are killed only");
    return database;
  } catch (error) {
    // Ctrl+C reaches the programs that make the database as well, which is no error of theirs.
    signal.throwIfAborted();
    const what = url === undefined ? "start PostgreSQL" : "use DATABASE_URL";
    throw new Error(`Cannot ${what}: ${messageOf(error)}`, { cause: error });
  }
}

async function startApp(
  runtime: AppRuntime,
  databaseUrl: string,
  signal: AbortSignal,
): Promise<App> {
  try {
    return await App.start(runtime, databaseUrl);
  } catch (error) {
    // Ctrl+C reaches the program that gets the runtime as well.
    signal.throwIfAborted();
    throw new Error(`Cannot start the app on ${runtime}: ${messageOf(error)}`, { cause: error });
  }
}

/** What the load is made from. */
interface LoadContext {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly meter: Meter;
  readonly terminal: Terminal;
  readonly options: DemoOptions;
  readonly app: App;
  readonly signal: AbortSignal;
}

/** Runs the load and, half-way, the accident; over when the last request is. */
async function runLoad(context: LoadContext): Promise<Accident> {
  const { database, ledger, meter, terminal, options, app } = context;
  const breakOff = new AbortController();
  const signal = AbortSignal.any([context.signal, breakOff.signal]);
  const load = new Load({ ...options, url: app.url }, ledger, meter, signal);
  let endMs = options.seconds * 1_000;
  const tell = (event: string): void => terminal.line(`${secondsOf(meter.elapsedMs)} ${event}`);
  using _progress = showProgress(terminal, {
    ...{ meter, endMs: () => endMs },
    pool: app.poolPerRequest ? undefined : async () => (await app.stats()).pool,
  });

  const running = load.run();
  const script = async (): Promise<Accident> => {
    await pause(endMs / 2 - meter.elapsedMs, signal);
    signal.throwIfAborted();
    const accident = await causeAccident({ database, meter, tell, signal });
    endMs = Math.max(endMs, meter.elapsedMs + AFTERMATH_MS);
    await pause(endMs - meter.elapsedMs, signal);
    load.end();
    await Promise.race([running, pause(DRAIN_MS, signal)]);
    breakOff.abort();
    return accident;
  };
  const telling = script();
  try {
    const [accident] = await Promise.all([telling, running]);
    context.signal.throwIfAborted();
    return accident;
  } finally {
    breakOff.abort();
    await Promise.allSettled([telling, running]);
    meter.end();
  }
}
