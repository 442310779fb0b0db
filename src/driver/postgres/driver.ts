/**
 * PostgreSQL as a {@linkcode Driver}.
 *
 * @module
 */

import type {
  Command,
  ConnectionDescription,
  ConnectionStatus,
  Driver,
  DriverCallOptions,
  DriverConnectOptions,
  ErrorClass,
  Evidence,
  LossScope,
  ResetLevel,
  Sharing,
} from "../../core/driver.ts";
import type { Runtime } from "../../core/runtime.ts";
import { classify, lossOf } from "./classify.ts";
import { commandText, preparedBySqlText, quoteIdentifier, resetTexts } from "./commands.ts";
import { PostgresConnection } from "./connection.ts";
import { IdleReferences } from "./idle_references.ts";
import {
  type PostgresOptions,
  type PostgresTypes,
  type ResolvedPostgresOptions,
  resolvePostgresOptions,
} from "./options.ts";
import type { Template } from "./porsager.ts";
import { Statement } from "./statement.ts";
import { TypeGate, type TypeMemory } from "./type_gate.ts";

/** The postgres driver: porsager `postgres`, one client for each physical connection. */
export class PostgresDriver implements Driver<PostgresConnection> {
  /** Name of the driver. */
  readonly name = "postgres";
  /** Statements of several users could be pipelined, unless a pooler is in between; transactions could not. */
  readonly sharing: Sharing;
  /** Whether connections that leases share are opened read-only. */
  readonly readers: boolean;
  readonly #runtime: Runtime;
  readonly #options: ResolvedPostgresOptions;
  readonly #types: TypeGate;
  readonly #references = new IdleReferences();
  /**
   * Told when a server refuses to write that should (25006): it was the primary once, or is read-only now.
   *
   * @internal
   */
  onReadOnly: ((connection: PostgresConnection, error: Error) => void) | undefined = undefined;

  /**
   * Makes the driver; users call {@linkcode postgresDriver}.
   *
   * @param runtime Supplies sockets.
   * @param options Checked options.
   * @param types What is known of array types already, by drivers with the same options.
   */
  constructor(runtime: Runtime, options: ResolvedPostgresOptions, types?: TypeMemory) {
    this.#runtime = runtime;
    this.#options = options;
    this.sharing = options.pooled ? "exclusive" : "multiplex";
    this.readers = options.readerLogin !== undefined;
    this.#types = new TypeGate(types);
  }

  /**
   * porsager's options and factory of queries, shared by all connections.
   *
   * @internal
   */
  get template(): Template {
    return this.#options.template;
  }

  connect(options?: DriverConnectOptions): Promise<PostgresConnection> {
    // A connection, and who is asked for its password, outlive whoever needs it first.
    return this.#runtime.root(() => this.#connect(options));
  }

  #connect(options: DriverConnectOptions | undefined): Promise<PostgresConnection> {
    const signal = options?.signal;
    const { template, endpoint, pooled, login, readerLogin } = this.#options;
    const reader = options?.readOnly === true ? readerLogin : undefined;
    const open = async (fetchTypes: boolean): Promise<PostgresConnection> => {
      const connection = await PostgresConnection.open({
        template,
        runtime: this.#runtime,
        endpoint,
        pooled,
        login: reader ?? login,
        isReader: reader !== undefined,
        fetchTypes,
        references: this.#references,
        onReadOnly: (connection, error) => this.onReadOnly?.(connection, error),
        signal,
      });
      // Another server may stand behind the same address next time, with other types.
      connection.onLost(() => {
        if (!connection.endedHere) this.#types.forget();
      });
      return connection;
    };
    return template.options.fetch_types ? this.#types.enter(open, signal) : open(false);
  }

  /** Makes the next connection learn the types anew, for those created since. */
  forgetTypes(): void {
    this.#types.forget();
  }

  close(connection: PostgresConnection, options?: DriverCallOptions): Promise<void> {
    return connection.close(options?.signal);
  }

  destroy(connection: PostgresConnection): void {
    connection.destroy();
  }

  async ping(connection: PostgresConnection, options?: DriverCallOptions): Promise<void> {
    await connection.run("", options);
  }

  async reset(
    connection: PostgresConnection,
    level: ResetLevel,
    options?: DriverCallOptions,
  ): Promise<void> {
    options?.signal?.throwIfAborted();
    const { status } = connection;
    for (const text of resetTexts(level, status === "idle")) await connection.run(text, options);
    if (level === "discard") await this.#deallocate(connection, options);
  }

  async #deallocate(connection: PostgresConnection, options?: DriverCallOptions): Promise<void> {
    for (const [name] of await connection.ask(preparedBySqlText, options)) {
      if (name) await connection.run(`deallocate ${quoteIdentifier(name)}`, options);
    }
  }

  async execute(
    connection: PostgresConnection,
    command: Command,
    options?: DriverCallOptions,
  ): Promise<void> {
    await connection.run(commandText(command), options);
  }

  cancel(connection: PostgresConnection, options?: DriverCallOptions): Promise<void> {
    return connection.cancelCurrent(options?.signal);
  }

  status(connection: PostgresConnection): ConnectionStatus {
    return connection.status;
  }

  describe(connection: PostgresConnection): ConnectionDescription {
    return { pid: connection.pid, statement: connection.lastStatement };
  }

  canPipeline(connection: PostgresConnection): boolean {
    return connection.canPipeline;
  }

  onLost(connection: PostgresConnection, listener: (cause: unknown) => void): void {
    connection.onLost(listener);
  }

  evidence(statement: unknown): Evidence {
    return statement instanceof Statement ? statement.evidence : "sent";
  }

  effects(connection: PostgresConnection): number {
    return connection.effects;
  }

  classify(error: unknown): ErrorClass {
    return classify(error);
  }

  lossOf(cause: unknown): LossScope {
    return lossOf(cause);
  }
}

/** What {@linkcode postgresDriver} takes: a runtime, a URL, and porsager's options. */
export interface PostgresDriverOptions<T extends PostgresTypes = Record<never, never>>
  extends PostgresOptions<T> {
  /** Supplies sockets: the `runtime` of `@steady/pool/deno` and its siblings. */
  readonly runtime: Runtime;
  /** Connection URL, `postgres://user:password@host:port/database?parameter=value`. */
  readonly url?: string;
}

/**
 * Makes the postgres driver, for a pool or a steady connection of your own wiring.
 *
 * @param options Runtime, URL, and porsager's options.
 * @returns The driver.
 * @throws {TypeError} If the URL or an option is wrong, or names several hosts.
 *
 * @example A pool without the ready-made front end
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { runtime } from "@steady/pool/deno";
 * import { postgresDriver } from "@steady/pool/postgres";
 *
 * const driver = postgresDriver({ runtime, url: "postgres://app@localhost/app" });
 * const pool = new Pool(driver, { max: 4 });
 * ```
 */
export function postgresDriver<T extends PostgresTypes = Record<never, never>>(
  options: PostgresDriverOptions<T>,
): PostgresDriver {
  const { runtime, url, ...rest } = options;
  return new PostgresDriver(runtime, resolvePostgresOptions(url, rest, runtime));
}
