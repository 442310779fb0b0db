/**
 * What errors mean, by SQLSTATE (PostgreSQL manual, appendix A) and by the codes of sockets.
 *
 * @module
 */

import type { ErrorClass, LossScope } from "../../core/driver.ts";
import { ConnectionLostError } from "../../core/errors.ts";
import { isDenied } from "./permission.ts";
import { isPostgresError } from "./porsager.ts";

/** The server will refuse until somebody changes something. */
const REJECTED: ReadonlySet<string> = new Set([
  "28000", // invalid_authorization_specification: no such role, or no entry in pg_hba.conf
  "28P01", // invalid_password
  "3D000", // invalid_catalog_name: no such database
  "42501", // insufficient_privilege: no CONNECT privilege
  "42704", // undefined_object: unknown start-up parameter
  "22023", // invalid_parameter_value: bad start-up parameter
  "0A000", // feature_not_supported: protocol
]);

/** The server cannot be had now, but may be later. */
const UNAVAILABLE: ReadonlySet<string> = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: starting up, shutting down, recovering
  "53300", // too_many_connections
  "53400", // configuration_limit_exceeded
  "55000", // object_not_in_prerequisite_state: database is being created or dropped
  "55006", // object_in_use
]);

/** Errors of serialization and deadlock: the whole transaction can be run again (40001, 40P01). */
const RETRYABLE: ReadonlySet<string> = new Set(["40001", "40P01"]);

/**
 * Tells what an error means for the pool.
 *
 * @param error Any error of this driver.
 * @returns Its class.
 */
export function classify(error: unknown): ErrorClass {
  if (error instanceof ConnectionLostError) return "lost";
  if (isPostgresError(error) || isLastWord(error)) {
    if (REJECTED.has(error.code)) return isFatal(error) ? "rejected" : "statement";
    if (UNAVAILABLE.has(error.code) && isFatal(error)) return "unavailable";
    if (!isFatal(error)) return "statement"; // 08xxx, too: of a foreign server, or of one message.
    return error.code.startsWith("08") ? "lost" : "unavailable";
  }
  // Wrong types, and missing permissions: the next attempt would fail alike.
  if (error instanceof TypeError || error instanceof RangeError) return "rejected";
  if (isDenied(error)) return "rejected";
  return "unavailable";
}

/** The server goes away with all its sessions, or may not be written to any more. */
const ALL_LOST: ReadonlySet<string> = new Set([
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: starting up, shutting down, recovering
  "57P04", // database_dropped
  "25006", // read_only_sql_transaction: it has become a standby
]);

/** The server ended, or did not take, one session for reasons that lie in that session, or for want of room. */
const ONE_LOST: ReadonlySet<string> = new Set([
  "25P03", // idle_in_transaction_session_timeout
  "25P04", // transaction_timeout
  "57P05", // idle_session_timeout
  "53300", // too_many_connections
  "53400", // configuration_limit_exceeded
  "55000", // object_not_in_prerequisite_state
  "55006", // object_in_use
]);

/** Codes of sockets: nobody listens there. */
const REFUSED: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT"]);
/** Codes of sockets, and texts where there are no codes: the other side ended the connection. */
const BROKEN: ReadonlySet<string> = new Set(["ECONNRESET", "ECONNABORTED", "EPIPE", "ENOTCONN"]);
const BROKEN_TEXT = /^the server closed the connection|connection (?:was )?lost/i;

/**
 * Tells what a loss, or a failed connect, means for other connections to the same server.
 *
 * @param cause What is known of it.
 * @returns How far it reaches; `"doubt"` for deadlines, aborted signals, and whatever else says nothing of the server.
 */
export function lossOf(cause: unknown): LossScope {
  if (cause instanceof ConnectionLostError) return lossOf(cause.cause);
  if (cause instanceof AggregateError) {
    const scopes = cause.errors.map(lossOf);
    return scopes.length > 0 && scopes.every((scope) => scope === scopes[0])
      ? scopes[0] ?? "doubt"
      : "doubt";
  }
  if (!(cause instanceof Error)) return "doubt";
  if (isPostgresError(cause) || isLastWord(cause)) {
    if (ALL_LOST.has(cause.code) || cause.severity === "PANIC") return "generation";
    if (ONE_LOST.has(cause.code) || REJECTED.has(cause.code)) return "own";
    // A session that ends may say so by a mere warning (57P01 at an immediate shutdown); a refused statement ends none.
    return isPostgresError(cause) && !isFatal(cause) ? "own" : "single";
  }
  // Its own deadline or signal ended it, which tells nothing of the server, or nothing for certain.
  if (cause.name === "AbortError") return "own";
  const code = "code" in cause ? cause.code : undefined;
  if (typeof code === "string" && REFUSED.has(code) || cause.name === "ConnectionRefused") {
    return "generation";
  }
  if (typeof code === "string" && BROKEN.has(code)) return "single";
  return BROKEN_TEXT.test(cause.message) ? "single" : "doubt";
}

/** Whether it stands for the fatal error with which the server ended the connection. */
function isLastWord(error: unknown): error is Error & { code: string; severity: string } {
  return error instanceof Error && "severity" in error && "code" in error &&
    typeof error.code === "string";
}

/**
 * Tells whether an error ended the session.
 *
 * @param error An error of the server.
 * @returns Whether its severity is FATAL or PANIC.
 */
export function isFatal(error: { severity?: string; severity_local?: string }): boolean {
  const severity = error.severity ?? error.severity_local;
  return severity === "FATAL" || severity === "PANIC";
}

/**
 * Tells whether a statement that the server refused may succeed when its transaction is run again.
 *
 * @param code SQLSTATE.
 * @returns Whether it is a serialization failure or a deadlock.
 */
export function isRetryable(code: string): boolean {
  return RETRYABLE.has(code);
}

/** Routines of the server that refuse what was prepared before: it is gone, or its result would be another now. */
const STALE_ROUTINES: ReadonlySet<string> = new Set([
  "FetchPreparedStatement",
  "RevalidateCachedQuery",
  "transformAssignedExpr",
]);

/**
 * Tells whether the server refused a statement for what was prepared for it before; prepared anew it may be accepted.
 *
 * @param error Anything.
 * @returns Whether it is such an error; nothing was executed then.
 */
export function isStalePreparation(error: unknown): boolean {
  return isPostgresError(error) && STALE_ROUTINES.has(error.routine);
}
