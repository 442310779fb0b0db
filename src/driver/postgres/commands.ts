/**
 * The core's commands in PostgreSQL's words.
 *
 * @module
 */

import type { Command, IsolationLevel, ResetLevel } from "../../core/driver.ts";

const ISOLATION_LEVELS: ReadonlySet<string> = new Set<IsolationLevel>([
  "read uncommitted",
  "read committed",
  "repeatable read",
  "serializable",
]);

/**
 * Quotes an identifier.
 *
 * @param name Any text.
 * @returns The identifier.
 */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Quotes a text.
 *
 * @param value Any text.
 * @returns The literal.
 */
export function quoteLiteral(value: string): string {
  // The E form reads backslashes the same whatever standard_conforming_strings says.
  return `E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/**
 * Translates a command.
 *
 * @param command The core's command.
 * @returns A statement for the simple protocol.
 * @throws {TypeError} If the isolation level does not exist.
 */
export function commandText(command: Command): string {
  switch (command.verb) {
    case "begin":
      return beginText(command);
    case "commit":
    case "rollback":
      return command.verb;
    case "savepoint":
    case "release savepoint":
    case "rollback to savepoint":
      return `${command.verb} ${quoteIdentifier(command.name)}`;
    case "session":
      return command.text;
  }
}

function beginText(command: Extract<Command, { verb: "begin" }>): string {
  const { isolation, readOnly, deferrable } = command;
  let text = "begin";
  if (isolation !== undefined) {
    if (!ISOLATION_LEVELS.has(isolation)) {
      throw new TypeError(
        `Cannot begin a transaction as isolation must be one of ` +
          `${[...ISOLATION_LEVELS].join(", ")}: received ${JSON.stringify(isolation)}`,
      );
    }
    text += ` isolation level ${isolation}`;
  }
  if (readOnly !== undefined) text += readOnly ? " read only" : " read write";
  if (deferrable !== undefined) text += deferrable ? " deferrable" : " not deferrable";
  return text;
}

/** What cleans a session, but for what was prepared in it; in the order of DISCARD ALL. */
const CLEAN = "close all; set session authorization default; reset all; unlisten *; " +
  "select pg_catalog.pg_advisory_unlock_all()";

/** Names of what was prepared by SQL; what was prepared by the protocol is the driver's, and it knows it by name. */
export const preparedBySqlText =
  "select name from pg_catalog.pg_prepared_statements where from_sql";

/**
 * Statements that clean a session. `session` does what DISCARD ALL does but keeps what was prepared; `discard` does so,
 * too: what was prepared by SQL is to be deallocated by name, as without the driver's own statements the next ones
 * would fail, and in a transaction they could not be prepared anew.
 *
 * @param level How much to clean.
 * @param idle Whether there is no transaction to be rolled back: the server would warn of it.
 * @returns The statements, each to be sent by itself.
 */
export function resetTexts(level: ResetLevel, idle: boolean): readonly string[] {
  const rollback = idle ? "" : "rollback; ";
  switch (level) {
    case "none":
      return [];
    case "rollback":
      return idle ? [] : ["rollback"];
    case "session":
      return [`${rollback}${CLEAN}; discard temp; discard sequences`];
    case "discard":
      return [`${rollback}${CLEAN}; discard plans; discard temp; discard sequences`];
  }
}
