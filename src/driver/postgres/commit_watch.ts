/**
 * Follows a transaction so that it can be asked, should the answer to its COMMIT be lost, what became of it: learns its id
 * behind its first write, in the same breath, without waiting for it.
 *
 * @module
 */

import type { PorsagerQuery } from "./porsager.ts";
import { effectsInTransaction, mayBeFollowed } from "./statement_kind.ts";

/** What has to be known of a transaction to ask for it later. */
export interface CommitTicket {
  /** Its id, with epoch (`xid8`). */
  readonly xid: string;
  /** A time before the id was learnt, by seconds at most: in seconds since 1970, by the server's clock. */
  readonly learntAt: number;
  /** Number of the moment it was learnt at: connections have one of when they were opened. */
  readonly moment: number;
  /** Process id of its backend. */
  readonly pid: number;
  /** Which server it was. */
  readonly server: ServerIdentity;
}

/** Tells one history of one database cluster from any other. */
export interface ServerIdentity {
  /** `system_identifier` of the cluster: another one knows nothing of this one's transactions. */
  readonly system: string;
  /** Its timeline: after a promotion the ids that were not replicated are given to other transactions. */
  readonly timeline: string;
}

/** Asks for the {@linkcode ServerIdentity}; fails on a standby, and where somebody has revoked the right to it. */
export const IDENTITY_TEXT =
  "select s.system_identifier, pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) " +
  "from pg_catalog.pg_control_system() as s";

let moments = 0;

/** Numbers the moments of this process that matter here: openings and answers. */
export function nextMoment(): number {
  return ++moments;
}

/** The answer is one row; without an id it is null. */
const ASK_TEXT = "select pg_catalog.pg_current_xact_id_if_assigned()";

/** A question of our own, in either protocol; neither leaves a statement behind that somebody could deallocate. */
export interface Question {
  /** A message of the simple protocol, to be sent behind one. */
  readonly simple: Uint8Array;
  /** Messages of the extended protocol, to be sent before the Sync of a statement: it is answered with it, in one go. */
  readonly extended: Uint8Array;
}

function ask(text: string): Question {
  const string = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);
  // Parse, Bind, Execute: without names, parameters, formats or limits.
  return {
    simple: message("Q", string(text)),
    extended: concat(
      message("P", string(""), string(text), new Uint8Array(2)),
      message("B", string(""), string(""), new Uint8Array(6)),
      message("E", string(""), new Uint8Array(4)),
    ),
  };
}

function message(type: string, ...parts: Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  const header = new Uint8Array(5);
  header[0] = type.charCodeAt(0);
  new DataView(header.buffer).setInt32(1, body.length + 4);
  return concat(header, body);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const QUESTION: Question = ask(ASK_TEXT);
/** To ask for the time costs as much again as to ask for the id. */
const QUESTION_WITH_TIME: Question = ask(
  `${ASK_TEXT}, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())`,
);

/** How long a reading of the server's clock is good enough, in milliseconds. */
export const READING_MS = 5_000;

/** What is known of the clock of a connection's server. */
export class ServerClock {
  #seconds = NaN;
  #readAt = -Infinity;

  /** Whether it was read lately. */
  get isFresh(): boolean {
    return performance.now() - this.#readAt < READING_MS;
  }

  /** The last reading, in seconds since 1970: it is later by now. */
  get seconds(): number {
    return this.#seconds;
  }

  /**
   * It was read.
   *
   * @param seconds In seconds since 1970.
   */
  read(seconds: number): void {
    this.#seconds = seconds;
    this.#readAt = performance.now();
  }
}

/** Follows one transaction on one connection. */
export class CommitWatch {
  readonly #learns: boolean;
  readonly #readOnly: boolean;
  readonly #pid: number;
  readonly #server: ServerIdentity | undefined;
  readonly #clock: ServerClock;
  #ticket: CommitTicket | undefined;
  #endedByHand = false;
  #modeSet = false;

  /**
   * @param options Whether to ask for the id; backend and server it is the id on. Without a server none is asked for.
   */
  constructor(
    options: {
      readOnly: boolean;
      learns: boolean;
      pid: number;
      server: ServerIdentity | undefined;
      clock: ServerClock;
    },
  ) {
    this.#clock = options.clock;
    this.#readOnly = options.readOnly;
    this.#learns = options.learns && !options.readOnly;
    this.#pid = options.pid;
    this.#server = options.server;
  }

  /** What is known of the transaction; `undefined` if it has no id, as far as is known, or ended by a statement of its own. */
  get ticket(): CommitTicket | undefined {
    return this.#endedByHand ? undefined : this.#ticket;
  }

  /** Whether a statement of the transaction's own may have ended it. */
  get endedByHand(): boolean {
    return this.#endedByHand;
  }

  /** Whether the transaction cannot write because it was meant not to, as far as is known. */
  get readOnly(): boolean {
    return this.#readOnly || this.#modeSet;
  }

  /** Whether the transaction still has the access mode that it was begun with, and is still the same. */
  get asBegun(): boolean {
    return !this.#endedByHand && !this.#modeSet;
  }

  /**
   * A statement of the transaction is sent.
   *
   * @param query Built.
   * @returns What to ask with it; `undefined` for nothing.
   */
  sent(query: PorsagerQuery): Question | undefined {
    const { mayEnd, setsMode, mayWrite } = effectsInTransaction(query);
    if (mayEnd) this.#endedByHand = true;
    if (setsMode) this.#modeSet = true;
    if (!this.#learns || this.#server === undefined) return undefined;
    if (this.#endedByHand || this.#ticket !== undefined) return undefined;
    if (!mayWrite || !mayBeFollowed(query)) return undefined;
    return this.#clock.isFresh ? QUESTION : QUESTION_WITH_TIME;
  }

  /**
   * The answer came.
   *
   * @param row Body of the DataRow; `undefined` if there was none.
   */
  answered(row: Uint8Array | undefined): void {
    const [xid, seconds] = row === undefined ? [] : textColumns(row);
    if (seconds !== undefined) this.#clock.read(Number(seconds));
    if (this.#server === undefined || xid === undefined) return;
    this.#ticket = {
      xid,
      learntAt: this.#clock.seconds,
      moment: nextMoment(),
      pid: this.#pid,
      server: this.#server,
    };
  }
}

/** Reads a DataRow: a count, and for each column a length (-1: null) and its text. */
function textColumns(body: Uint8Array): (string | undefined)[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const text = new TextDecoder();
  const columns: (string | undefined)[] = [];
  let at = 2;
  for (let count = view.getInt16(0); count > 0; count--) {
    const length = view.getInt32(at);
    at += 4;
    columns.push(length < 0 ? undefined : text.decode(body.subarray(at, at + length)));
    at += Math.max(0, length);
  }
  return columns;
}
