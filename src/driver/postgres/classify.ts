/**
 * What errors mean, by SQLSTATE (PostgreSQL manual, appendix A) and by the codes of sockets.
 *
 * @module
 */

import type { ErrorClass } from "../../core/driver.ts";
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
