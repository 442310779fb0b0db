/**
 * Real PostgreSQL servers for tests: on a port and in a directory of their own, gone without a trace afterwards.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RUN_DIRECTORY_VARIABLE } from "./environment.ts";
import { freePort } from "./free_port.ts";
import {
  cleanEnvironment,
  configure,
  createData,
  giveTo,
  HOST,
  PASSWORD,
  type PostgresDataOptions,
  USER,
} from "./postgres_data.ts";
import { findPostgres, type PostgresInstallation } from "./postgres_installation.ts";
import type { KeeperOptions, KeeperReply, KeeperRequest } from "./postgres_keeper.ts";
import { type Parameters, query } from "./query.ts";

export { query };

/** How a server is stopped: waits for clients to leave; ends their sessions; drops everything as in a crash. */
export type StopMode = "smart" | "fast" | "immediate";

/** What a server is to be like. */
export interface PostgresServerOptions extends PostgresDataOptions {
  /** Directory in which the server's own is made; that of the run, or the system's for temporary files. */
  readonly parent?: string;
}

/** Which backends; all conditions given must hold. */
export interface BackendFilter {
  readonly pid?: number;
  readonly database?: string;
  readonly user?: string;
  readonly applicationName?: string;
}

/** How long a server and its keeper may take to end; a bound for what should never happen. */
const FAREWELL_MS = 15_000;

const SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** Command line to run a script of ours in a process of its own, on whatever runtime this is. */
function scriptArguments(script: URL): string[] {
  const path = fileURLToPath(script);
  return "Deno" in globalThis
    ? ["run", "--quiet", "--allow-all", "--no-config", "--no-lock", path]
    : [path];
}

/** One PostgreSQL server. */
export class PostgresServer implements AsyncDisposable {
  /** Address it listens on. */
  readonly host: string = HOST;
  /** Superuser. */
  readonly user: string = USER;
  /** The superuser's password. */
  readonly password: string = PASSWORD;
  /** Database that is there from the start. */
  readonly database: string = "postgres";
  /** Directory of the Unix domain socket, which asks for no password. */
  readonly socketDir: string;
  #port = 0;
  #options: PostgresServerOptions;
  #installation: PostgresInstallation;
  #keeper: ChildProcess | undefined;

  private constructor(
    directory: string,
    installation: PostgresInstallation,
    options: PostgresServerOptions,
  ) {
    this.socketDir = directory;
    this.#installation = installation;
    this.#options = options;
  }

  /**
   * Makes and starts a server.
   *
   * @param options What it is to be like.
   * @returns The running server.
   */
  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    // The runner of the tests sees to it that nothing is left in its directory.
    const parent = options.parent ?? process.env[RUN_DIRECTORY_VARIABLE] ?? tmpdir();
    const directory = await mkdtemp(join(parent, "steady-postgres-"));
    try {
      const installation = await findPostgres(directory);
      const server = new PostgresServer(directory, installation, options);
      await giveTo(installation.runAs, directory);
      await using stack = new AsyncDisposableStack();
      stack.use(server);
      // Both are awaited although one failed: what still runs would write into a directory that is removed.
      const steps = await Promise.allSettled([
        server.#startKeeper(),
        createData(directory, installation, options),
      ]);
      for (const step of steps) if (step.status === "rejected") throw step.reason;
      await server.#startOnFreePort();
      stack.move();
      return server;
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Port it listens on; stays the same over restarts. */
  get port(): number {
    return this.#port;
  }

  /**
   * URL of the server for clients.
   *
   * @param parts What shall differ: another database, user, password, or the host and port of a proxy.
   * @returns The URL.
   */
  url(
    parts: { user?: string; password?: string; host?: string; port?: number; database?: string } =
      {},
  ): string {
    const { user, password, host, port, database } = {
      user: this.user,
      password: this.password,
      host: this.host,
      port: this.port,
      database: this.database,
      ...parts,
    };
    return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}` +
      `@${host}:${port}/${encodeURIComponent(database)}`;
  }

  /** Starts it again: same data, same port. */
  start(): Promise<void> {
    return this.#ask({ action: "start" });
  }

  /**
   * Stops it and keeps its data; does nothing if it is not running.
   *
   * @param mode How.
   */
  stop(mode: StopMode = "fast"): Promise<void> {
    return this.#ask({ action: "signal", signal: SIGNALS[mode] });
  }

  /**
   * Stops it and starts it again.
   *
   * @param mode How it is stopped.
   */
  async restart(mode: StopMode = "fast"): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Kills the server's main process; the backends notice by themselves. Over when all are gone. */
  kill(): Promise<void> {
    return this.#ask({ action: "signal", signal: "SIGKILL" });
  }

  /**
   * Runs SQL as superuser on a connection of its own, by the Unix domain socket.
   *
   * @param text One statement.
   * @param parameters Values for `$1` and so on.
   * @returns Its rows.
   */
  query<T extends Record<string, unknown> = Record<string, unknown>>(
    text: string,
    parameters: Parameters = [],
  ): Promise<T[]> {
    return query(
      {
        path: join(this.socketDir, `.s.PGSQL.${this.port}`),
        user: this.user,
        database: this.database,
      },
      text,
      parameters,
    );
  }

  /**
   * Ends sessions as an administrator does (FATAL 57P01); over when they are gone.
   *
   * @param filter Which ones; without it all but the one that asks.
   * @returns Their process ids.
   */
  terminateBackends(filter: BackendFilter = {}): Promise<number[]> {
    return this.#choose(filter, "pg_terminate_backend(pid, 5000)");
  }

  /**
   * Finds sessions.
   *
   * @param filter Which ones; without it all but the one that asks.
   * @returns Their process ids.
   */
  backends(filter: BackendFilter = {}): Promise<number[]> {
    return this.#choose(filter, "true");
  }

  /**
   * Stops processes without ending them (SIGSTOP), until {@linkcode PostgresServer.thaw} or the end of the server.
   *
   * @param pids Which ones; without it the server's main process: those that have a session keep it, nobody gets one.
   */
  freeze(pids?: readonly number[]): Promise<void> {
    return this.#ask({ action: "freeze", pids });
  }

  /** Lets all that was stopped go on. */
  thaw(): Promise<void> {
    return this.#ask({ action: "thaw" });
  }

  /** @returns Everything the server has logged so far. */
  log(): Promise<string> {
    return readFile(join(this.socketDir, "log"), "utf8");
  }

  /** Ends the server at once and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    const keeper = this.#keeper;
    this.#keeper = undefined;
    if (!keeper) return;
    const exited = once(keeper, "exit");
    const patience = setTimeout(() => keeper.kill("SIGKILL"), FAREWELL_MS);
    // The end of its input is what a keeper takes as the end of us, so that both ways are one.
    keeper.stdin?.end();
    const [code] = await exited;
    clearTimeout(patience);
    if (code !== 0) throw new Error(`The keeper of ${this.socketDir} could not clean up`);
  }

  async #choose(filter: BackendFilter, condition: string): Promise<number[]> {
    const rows = await this.query<{ pid: number }>(
      // Materialized, so that no backend is terminated before all conditions were looked at.
      `with chosen as materialized (
         select pid from pg_stat_activity
          where backend_type = 'client backend' and pid <> pg_backend_pid()
            and ($1::int is null or pid = $1)
            and ($2::text is null or datname = $2)
            and ($3::text is null or usename = $3)
            and ($4::text is null or application_name = $4)
       )
       select pid from chosen where ${condition}`,
      [
        filter.pid ?? null,
        filter.database ?? null,
        filter.user ?? null,
        filter.applicationName ?? null,
      ],
    );
    return rows.map(({ pid }) => pid);
  }

  async #startKeeper(): Promise<void> {
    const { postgres, runAs } = this.#installation;
    const options: KeeperOptions = { directory: this.socketDir, postgres, runAs };
    const script = new URL("./postgres_keeper.ts", import.meta.url);
    const keeper = spawn(process.execPath, [...scriptArguments(script), JSON.stringify(options)], {
      cwd: "/",
      // A session of its own: the Ctrl+C that ends the tests must not end the one who cleans up after them.
      detached: true,
      env: cleanEnvironment(),
      stdio: ["pipe", "pipe", "inherit"],
    });
    const failed = once(keeper, "exit").then(() => {
      throw new Error("The keeper of a server ended before its time");
    });
    await Promise.race([once(keeper.stdout, "data"), failed]);
    failed.catch(() => {}); // From now on its end is awaited, or seen, elsewhere.
    // It says nothing more; an open pipe would be a leak in the eyes of the sanitizers.
    keeper.stdout.destroy();
    this.#keeper = keeper;
  }

  async #startOnFreePort(): Promise<void> {
    for (let attempts = 3;; attempts--) {
      this.#port = await freePort();
      await configure(this.socketDir, this.#installation, this.#options, this.#port);
      try {
        return await this.start();
      } catch (error) {
        // Somebody may have taken the port in between.
        const taken = error instanceof Error && error.message.includes("Address already in use");
        if (!taken || attempts === 1) throw error;
      }
    }
  }

  async #ask(request: KeeperRequest): Promise<void> {
    const connection = connect(join(this.socketDir, "keeper"));
    const closed = once(connection, "close");
    let text = "";
    connection.setEncoding("utf8");
    connection.on("data", (chunk: string) => text += chunk);
    connection.write(JSON.stringify(request) + "\n");
    await closed;
    const reply = JSON.parse(text) as KeeperReply;
    if (reply.error !== undefined) throw new Error(reply.error);
  }
}
