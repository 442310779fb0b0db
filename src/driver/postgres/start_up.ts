/**
 * What opens a session: porsager's client for one connection, and the password.
 *
 * @module
 */

import type { Duplex } from "./duplex.ts";
import type { Login } from "./parse_options.ts";
import { createClient, refuseSocket, type Template } from "./porsager.ts";

/** A client for one connection, and the one socket that it gets. */
export class StartUp {
  /** The client. */
  readonly client: ReturnType<typeof createClient>;
  /** Its socket, until it has asked for that. */
  duplex: Duplex | undefined = undefined;
  /** Whether the rows that come answer the driver. */
  rowsAreOurs: () => boolean = () => true;

  /**
   * @param template Whose options.
   * @param login As whom.
   * @param pass The password.
   * @param fetchTypes Whether it learns the array types.
   */
  constructor(template: Template, login: Login, pass: string, fetchTypes: boolean) {
    const socket = (): Duplex => {
      const only = this.duplex;
      this.duplex = undefined;
      return only ?? refuseSocket();
    };
    this.client = createClient(template, {
      login,
      pass,
      fetchTypes,
      socket,
      rowsAreOurs: () => this.rowsAreOurs(),
    });
  }
}

/**
 * Asks for the password.
 *
 * @param login As whom.
 * @returns The password.
 * @throws {TypeError} If it is no string.
 */
export async function resolvePassword({ pass }: Login): Promise<string> {
  // Asked for here, not by porsager: there a rejection would go unhandled and end the process.
  const password = typeof pass === "function" ? await pass() : pass;
  if (typeof password !== "string") {
    throw new TypeError(
      `Cannot connect as password must be, or return, a string: received ${typeof password}`,
    );
  }
  return password;
}
