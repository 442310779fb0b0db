/**
 * A schema of one test's own on the shared server: as good as a database, and ten times as fast to make.
 *
 * @module
 */

import { query } from "../../support/postgres_server.ts";
import { sharedServer } from "../../support/shared_server.ts";

/** Values for `$1` and so on. */
type Parameters = readonly (string | number | boolean | null)[];

/** A schema of one test's own. */
export class Schema implements AsyncDisposable {
  /** Its name, and the `application_name` of the sessions that were opened by {@linkcode Schema.url}. */
  readonly name: string;
  /** URL of the shared server; sessions start in this schema, under its name. */
  readonly url: string;

  readonly #made: boolean;

  private constructor(name: string, made: boolean) {
    this.name = name;
    this.#made = made;
    const url = new URL(sharedServer().url);
    url.searchParams.set("search_path", name);
    url.searchParams.set("application_name", name);
    this.url = url.href;
  }

  /**
   * Makes one.
   *
   * @param setUp Statements that are run in it, separated by semicolons. Without any it is but a name, and costs nothing:
   * only temporary things can be made in it.
   * @returns The schema; disposing ends its sessions, and drops it with all that is in it.
   */
  static async create(setUp?: string): Promise<Schema> {
    const name = `steady_${crypto.randomUUID().replaceAll("-", "")}`;
    const schema = new Schema(name, setUp !== undefined);
    if (setUp !== undefined) {
      await schema.query(`create schema ${name}; set search_path to ${name}; ${setUp}`);
    }
    return schema;
  }

  /** The URL by way of a proxy. */
  through(proxy: { readonly port: number }): string {
    const url = new URL(this.url);
    url.port = String(proxy.port);
    return url.href;
  }

  /**
   * Asks the server on a connection of its own, which starts outside of the schema.
   *
   * @param text One statement; several if there are no parameters.
   * @param parameters Values for `$1` and so on.
   * @returns Its rows.
   */
  query<T extends Record<string, unknown> = Record<string, unknown>>(
    text: string,
    parameters: Parameters = [],
  ): Promise<T[]> {
    return query<T>(sharedServer().url, text, parameters);
  }

  /**
   * Reads one column of one of its tables.
   *
   * @param table Name of the table.
   * @param column Name of the column, which is also what the values are sorted by.
   * @returns The values.
   */
  async column(table: string, column: string): Promise<unknown[]> {
    const rows = await this.query(
      `select ${column} as value from ${this.name}.${table} order by ${column}`,
    );
    return rows.map(({ value }) => value);
  }

  /**
   * Ends sessions as an administrator does (FATAL 57P01); over when they are gone.
   *
   * @param pid Which one; without it all that are open in the schema.
   */
  async terminate(pid?: number): Promise<void> {
    await this.query(this.#termination(pid === undefined ? "" : `and pid = ${pid}`));
  }

  #termination(condition: string): string {
    return `select pg_terminate_backend(pid, 5000) from pg_stat_activity
             where application_name = '${this.name}' ${condition}`;
  }

  /** Ends its sessions and drops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#made) await this.query(`${this.#termination("")}; drop schema ${this.name} cascade`);
  }
}
