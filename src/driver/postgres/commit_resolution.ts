/**
 * Asks the server, on another connection, what became of a transaction whose COMMIT was not answered.
 *
 * The server knows by the transaction's id (`pg_xact_status`, PostgreSQL 13). What it says is taken only where it must be
 * about that very transaction:
 *
 * - Another cluster, or the same on another timeline, has given that id to others, or will.
 * - A server that crashed may give an id again that it had given before and that had not reached the disk. So "committed" is
 *   believed if the server has not crashed since the id was learnt, or if the id was on disk when it came up again, a short
 *   time after.
 *
 * @module
 */

import type { CommitOutcome } from "../../core/errors.ts";
import { quoteLiteral } from "./commands.ts";
import { type CommitTicket, READING_MS } from "./commit_watch.ts";
import type { PostgresConnection } from "./connection.ts";
import { isPostgresError } from "./porsager.ts";

/** How long the server waits between two looks at a transaction in progress, in seconds. */
const PAUSE_S = 0.02;

/** Within how many seconds of the transaction a server is taken to have crashed once at most. */
const ONE_CRASH_S = 30;

/** "transaction ID … is in the future": the server has not given that id, or does not know any more that it had. */
const UNKNOWN_ID = "22023";

/** A question about one transaction. */
export interface CommitQuestion {
  /** What is known of it. */
  readonly ticket: CommitTicket;
  /** Under which name it was to be prepared, if it was. */
  readonly preparedName?: string;
}

/**
 * Asks what became of a transaction. A transaction in progress is ended first: nobody is left to end it.
 *
 * @param connection Where to ask; idle.
 * @param question Which.
 * @param signal Ends the asking.
 * @returns What is certain.
 */
export async function askForCommit(
  connection: PostgresConnection,
  { ticket, preparedName }: CommitQuestion,
  signal: AbortSignal,
): Promise<CommitOutcome> {
  const server = await connection.identify({ signal });
  if (server?.system !== ticket.server.system || server.timeline !== ticket.server.timeline) {
    return "unknown";
  }
  const xid = BigInt(ticket.xid);
  for (;;) {
    if (preparedName !== undefined && await isPrepared(connection, preparedName, xid, signal)) {
      return "committed";
    }
    const status = await statusOf(connection, xid, signal);
    switch (status) {
      case "aborted":
        return "rolled-back";
      case "committed":
        return await provesCommit(connection, ticket, signal);
      case "in progress":
        await endBackend(connection, ticket.pid, xid, signal);
        break;
      default:
        return "unknown";
    }
  }
}

/** What the server says of the id. */
async function statusOf(
  connection: PostgresConnection,
  xid: bigint,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const rows = await connection.ask(`select pg_catalog.pg_xact_status('${xid}'::xid8)`, {
      signal,
    });
    return rows[0]?.[0] ?? null;
  } catch (error) {
    // Given by a server that crashed before it was on disk; nothing of the transaction was either.
    if (isPostgresError(error) && error.code === UNKNOWN_ID) return "aborted";
    throw error;
  }
}

async function isPrepared(
  connection: PostgresConnection,
  name: string,
  xid: bigint,
  signal: AbortSignal,
): Promise<boolean> {
  const rows = await connection.ask(
    "select 1 from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database() " +
      // Not another one that has the name: ours was refused then.
      `and gid = ${quoteLiteral(name)} and transaction = '${shortId(xid)}'::xid`,
    { signal },
  );
  return rows.length > 0;
}

/** Whether "committed" is about our transaction, and not about another that got the same id after a crash. */
async function provesCommit(
  connection: PostgresConnection,
  ticket: CommitTicket,
  signal: AbortSignal,
): Promise<CommitOutcome> {
  // No connection outlives a crash.
  if (connection.openedAt < ticket.moment) return "committed";
  const [row] = await connection.ask(
    "select pg_catalog.date_part('epoch', checkpoint_time)::int8, redo_lsn = checkpoint_lsn, next_xid, " +
      "pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()), " +
      "(select pg_catalog.date_part('epoch', stats_reset) from pg_catalog.pg_stat_bgwriter) " +
      "from pg_catalog.pg_control_checkpoint()",
    { signal },
  );
  const [time, isWhole, next, now, reset] = row ?? [];
  if (!time || !next || !now) return "unknown";
  // A crash takes the server's statistics with it: counted since before, they tell that there was none.
  if (reset && Number(reset) < ticket.learntAt) return "committed";
  // A crash is followed by a checkpoint. Its time is in whole seconds.
  const second = Math.floor(ticket.learntAt);
  if (Number(time) < second) return "committed";
  // One that was taken while nothing else was going on, as at the end of a recovery: all ids below were on disk then.
  if (isWhole !== "t") return "unknown";
  if (BigInt(ticket.xid) >= fullId(next)) {
    // The id had been given before that checkpoint, and was not on disk; if that was before for certain.
    return Number(time) > second + READING_MS / 1_000 + 1 ? "rolled-back" : "unknown";
  }
  // Unless it was lost in one crash, given to another, and that was on disk before a second crash: not within so short a time.
  return Number(now) - ticket.learntAt <= ONE_CRASH_S ? "committed" : "unknown";
}

/** Reads "epoch:id". */
function fullId(text: string): bigint {
  const [epoch = "0", id = "0"] = text.split(":");
  return (BigInt(epoch) << 32n) + BigInt(id);
}

/** The id without its epoch. */
function shortId(xid: bigint): bigint {
  return xid & 0xffffffffn;
}

/** Ends the backend if it is still at that transaction, and gives it a moment. */
async function endBackend(
  connection: PostgresConnection,
  pid: number,
  xid: bigint,
  signal: AbortSignal,
): Promise<void> {
  await connection.ask(
    "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity " +
      `where pid = ${pid} and backend_xid = '${shortId(xid)}'::xid`,
    { signal },
  );
  await connection.ask(`select pg_catalog.pg_sleep(${PAUSE_S})`, { signal });
}
