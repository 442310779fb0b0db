/**
 * What can befall a PostgreSQL server, beside what {@linkcode PostgresServer} does itself: `stop` and `restart` in any mode
 * (`"immediate"` drops everything as in a crash), `kill` (SIGKILL of its main process, so that the next start recovers),
 * `terminateBackends`.
 *
 * @module
 */

import { type FileHandle, lstat, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { expectChild } from "../support/child.ts";
import { dataPath } from "../support/postgres_data.ts";
import { type BackendFilter, PostgresServer, query } from "../support/postgres_server.ts";

/** A state of a server that ends with the block it is used in. */
export type ServerFault = AsyncDisposable;

/**
 * Stops the server's main process (SIGSTOP): sessions go on, but nobody gets a new one. The system still takes connects,
 * until its queue is full; nobody answers them.
 *
 * @param server The server.
 * @returns Lets it go on when disposed.
 */
export async function freezeServer(server: PostgresServer): Promise<ServerFault> {
  await server.freeze();
  return { [Symbol.asyncDispose]: () => server.thaw() };
}

/**
 * Stops sessions in the midst of whatever they do (SIGSTOP): their sockets stay open, and nobody answers.
 *
 * @param server The server.
 * @param filter Which ones; without it all.
 * @returns Lets them, and all else that was stopped, go on when disposed.
 */
export async function freezeBackends(
  server: PostgresServer,
  filter: BackendFilter = {},
): Promise<ServerFault> {
  await server.freeze(await server.backends(filter));
  return { [Symbol.asyncDispose]: () => server.thaw() };
}

/**
 * Kills one session (SIGKILL): the server then ends all others with 57P02, recovers, and takes sessions again, all by
 * itself.
 *
 * @param server The server.
 * @param pid The session's process id.
 * @returns Resolved when it takes sessions again.
 */
export async function crash(server: PostgresServer, pid: number): Promise<void> {
  const before = await readyCount(server);
  process.kill(pid, "SIGKILL");
  while (await readyCount(server) === before);
}

async function readyCount(server: PostgresServer): Promise<number> {
  return (await server.log()).split("ready to accept connections").length;
}

/**
 * Takes all connections that a server, or a role, may have.
 *
 * @param url URL as whom.
 * @returns Gives them back when disposed.
 */
export async function exhaust(url: string): Promise<ServerFault & { readonly taken: number }> {
  const stack = new AsyncDisposableStack();
  for (let taken = 0;; taken++) {
    const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
    try {
      await sql`select 1`;
      stack.defer(() => sql.end({ timeout: 1 }));
    } catch (error) {
      await sql.end({ timeout: 0 });
      if ((error as { code?: string }).code === "53300") {
        return { taken, [Symbol.asyncDispose]: () => stack.disposeAsync() };
      }
      await stack.disposeAsync();
      throw error;
    }
  }
}

/**
 * Makes a server read-only for sessions to come, and for present ones from their next transaction on: writes get 25006.
 *
 * @param server The server.
 * @returns Makes it writable again when disposed.
 */
export async function makeReadOnly(server: PostgresServer): Promise<ServerFault> {
  const setTo = async (value: string): Promise<void> => {
    await server.query(`alter system set default_transaction_read_only = ${value}`);
    await server.query("select pg_reload_conf()");
    // It is the main process that has to read it.
    while (true) {
      const [row] = await query<{ value: string }>(
        server.url(),
        "select current_setting('default_transaction_read_only') as value",
      );
      if (row?.value === value) return;
    }
  };
  await setTo("on");
  return { [Symbol.asyncDispose]: () => setTo("off") };
}

/**
 * Keeps a server that starts in its start-up for as long as a test needs: all that time it answers connects with FATAL
 * 57P03. It is a real start-up, after a clean end as after a crash: a file that the server reads before it recovers is
 * made a pipe, so that it waits for the one who writes.
 *
 * @example
 * ```ts ignore
 * await server.kill();
 * await using recovery = await Recovery.hold(server);
 * const started = server.start();
 * await recovery.begun();
 * // Here all connects get 57P03.
 * await recovery.goOn();
 * await started;
 * ```
 */
export class Recovery implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly #path: string;
  /** Where the file is meanwhile. */
  readonly #aside: string;
  #pipe: FileHandle | undefined;
  #held = true;

  private constructor(server: PostgresServer) {
    this.#server = server;
    this.#path = join(dataPath(server.socketDir), "pg_logical", "replorigin_checkpoint");
    this.#aside = join(server.socketDir, "replorigin_checkpoint");
  }

  /**
   * Sees to it that the next start of a server waits.
   *
   * @param server The server; it must not run.
   * @returns Lets it go on when disposed.
   */
  static async hold(server: PostgresServer): Promise<Recovery> {
    const recovery = new Recovery(server);
    await recovery.#hold();
    return recovery;
  }

  async #hold(): Promise<void> {
    await rename(this.#path, this.#aside);
    await expectChild("mkfifo", ["--mode=666", this.#path]);
    // For reading too, as opening it for writing alone would wait for the server.
    this.#pipe = await open(this.#path, "r+");
  }

  /** Waits until the server has begun to start: from then on connects get 57P03. */
  async begun(): Promise<void> {
    while (await this.#refusal() !== "57P03");
  }

  /** Lets the server go on. */
  async goOn(): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    await this.#pipe?.write(await readFile(this.#aside));
  }

  /** Lets the server go on, if it has started, and the next start not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.goOn();
    // Not before it is read.
    while (await this.#refusal() === "57P03");
    await this.#pipe?.close();
    // Else the server has put a new file there already.
    if ((await lstat(this.#path)).isFIFO()) await rename(this.#aside, this.#path);
    else await rm(this.#aside);
  }

  /** What it answers to a connect. */
  async #refusal(): Promise<string | undefined> {
    try {
      await this.#server.query("select 1");
      return undefined;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  }
}

/** What a standby is to be like. */
export interface StandbyOptions {
  /**
   * Whether it follows its primary; else it stays as it was when it was copied.
   *
   * @default {true}
   */
  readonly following?: boolean;
}

/**
 * Starts a hot standby of a server: it serves reads and answers writes with 25006, until {@linkcode promote}.
 *
 * @param primary The server, which is stopped and started again for it.
 * @param options What it is to be like.
 * @returns The standby: same system identifier, same user and password, other port.
 */
export async function startStandby(
  primary: PostgresServer,
  { following = true }: StandbyOptions = {},
): Promise<PostgresServer> {
  await primary.stop();
  const start = PostgresServer.start({
    dataOf: primary,
    files: { "standby.signal": "" },
    config: following
      ? {
        primary_conninfo: `host=${primary.socketDir} port=${primary.port} user=${primary.user}`,
        wal_retrieve_retry_interval: "100ms",
      }
      : {},
  });
  try {
    return await start;
  } finally {
    await primary.start();
  }
}

/**
 * Waits until a standby has all that its primary has.
 *
 * @param standby The standby.
 * @param primary Its primary.
 */
export async function caughtUp(standby: PostgresServer, primary: PostgresServer): Promise<void> {
  const [row] = await primary.query<{ lsn: string }>("select pg_current_wal_flush_lsn() as lsn");
  const replayed = "select pg_last_wal_replay_lsn() >= $1::pg_lsn as replayed";
  while (true) {
    const [state] = await standby.query(replayed, [row?.lsn ?? null]);
    if (state?.replayed === true) return;
  }
}

/**
 * Makes a standby the primary of a new timeline.
 *
 * @param standby The standby.
 */
export async function promote(standby: PostgresServer): Promise<void> {
  const [row] = await standby.query("select pg_promote() as promoted");
  if (row?.promoted !== true) throw new Error("The standby was not promoted");
}
