/**
 * Reads in passing what goes over a connection's socket: the server's own word on transaction state, what left and what
 * came back.
 *
 * @module
 */

import { MessageScanner, type MessageSink } from "./message_scanner.ts";

const SYNC = 0x53; // S, from the client
const QUERY = 0x51; // Q
const EXECUTE = 0x45; // E, from the client
const READY_FOR_QUERY = 0x5a; // Z
const BACKEND_KEY_DATA = 0x4b; // K
const PARAMETER_STATUS = 0x53; // S, from the server
const ERROR_RESPONSE = 0x45; // E, from the server
const COMMAND_COMPLETE = 0x43; // C, from the server
const DATA_ROW = 0x44; // D, from the server
const COPY_OUT_RESPONSE = 0x48; // H, from the server
const COPY_DONE = 0x63; // c
const NOTICE_RESPONSE = 0x4e; // N
const PORTAL_SUSPENDED = 0x73; // s
const EMPTY_QUERY_RESPONSE = 0x49; // I

/** Transaction state as the server says it in ReadyForQuery. */
export type TransactionStatus = "idle" | "in transaction" | "failed";

/** An error of the server. */
export interface ServerError {
  /** Whether it is the last thing the server says on this connection. */
  readonly fatal: boolean;
  /** SQLSTATE. */
  readonly code: string;
  /** The server's message. */
  readonly message: string;
}

/** SQLSTATEs with which a session ends: admin_shutdown, crash_shutdown. */
const FAREWELLS: ReadonlySet<string> = new Set(["57P01", "57P02"]);

const text = new TextDecoder();

/** A question of our own among the statements, whose answer nobody else must see. */
export class OwnQuestion {
  /** Number of the ReadyForQuery that comes before its answer, or before that of the statement it is asked with. */
  readonly after: number;
  /** Whether it is asked with a statement, before its Sync: its answer comes between that of the statement and its end. */
  readonly inside: boolean;
  /** Whether there is no answer, because the statement failed. */
  skipped = false;
  /** Where, in the bytes that came last, its answer begins; 0 if it began before, `undefined` if it has not. */
  begins: number | undefined = undefined;
  /** Where, in the bytes that came last, its answer ends; `undefined` if it has not ended. */
  ends: number | undefined = undefined;
  /** Body of the row that came. */
  row: Uint8Array | undefined = undefined;

  /**
   * @param after Number of the ReadyForQuery that comes before.
   * @param inside Whether it is asked before the Sync of a statement.
   */
  constructor(after: number, inside: boolean) {
    this.after = after;
    this.inside = inside;
  }
}

/** Watches both directions of one connection, without changing, delaying or copying what passes. */
export class WireTap {
  /** Transaction state in the last ReadyForQuery; `undefined` before the first. */
  transaction: TransactionStatus | undefined;
  /** Process id of the backend; 0 until known. */
  pid = 0;
  /** Secret for cancel requests; empty until known. Not always four bytes: protocol 3.2 has longer ones. */
  secret: Uint8Array = new Uint8Array(0);
  /** Whether the server is a standby; `undefined` where it does not say (before PostgreSQL 14). */
  inHotStandby: boolean | undefined;
  /** Whether the session could not write from its start, as somebody wants it; `undefined` where the server does not say. */
  beganReadOnly: boolean | undefined;
  /** The fatal error that ended the connection. */
  fatal: ServerError | undefined;
  /** The last error, fatal or not. */
  error: ServerError | undefined;
  /** Messages that execute something (Execute, Query) and left. */
  executesSent = 0;
  /** Messages that are answered by a ReadyForQuery (Sync, Query, start-up) and left. */
  syncsSent = 0;
  /** ReadyForQuery messages that came. */
  syncsAnswered = 0;
  /** CommandComplete messages that came. */
  commandsCompleted = 0;
  /** Whether the statement that is executing has completed something: what it did may stay, whatever comes now. */
  completedAny = false;
  /**
   * A notice by which the server took its leave: of a crash or an immediate shutdown (57P02, 57P01), or of a session that
   * was ended while its commit, done already, waited for a standby (57P01).
   */
  farewell: ServerError | undefined;
  /** Whether rows came since the last CommandComplete. */
  rowsLeft = false;
  /** Whether an error struck amid rows, and no command completed since. */
  rowsCut = false;
  /** Where, in the bytes that came last, errors end that struck amid rows. */
  readonly cutRowsAt: number[] = [];
  /** Where, in the bytes that came last, each ReadyForQuery ends. */
  readonly readyAt: number[] = [];
  /** Where, in the bytes that came last, the first message ends; `undefined` if none does. */
  firstEnd: number | undefined = undefined;
  /** Whether a COPY to this side is under way, and more of it to come. */
  copyingOut = false;
  /** The byte of the last ReadyForQuery. */
  status = 0;
  /** A question of our own that is not answered yet. */
  question: OwnQuestion | undefined;
  /** Major version of the server, such as 18; 0 until known. */
  serverVersion = 0;

  readonly #incoming: MessageScanner = new MessageScanner(
    new IncomingSink(this, () => this.#incoming.messageEnd),
    { untypedStart: false },
  );
  readonly #outgoing = new MessageScanner(new OutgoingSink(this), { untypedStart: true });

  /** Whether a message of the server has begun and not ended. */
  get isAmid(): boolean {
    return this.#incoming.isAmid;
  }

  /** Whether something that was sent is not answered yet. */
  get awaiting(): boolean {
    return this.syncsSent > this.syncsAnswered;
  }

  /**
   * Bytes came from the server.
   *
   * @param bytes As they came.
   */
  incoming(bytes: Uint8Array): void {
    empty(this.cutRowsAt);
    empty(this.readyAt);
    this.firstEnd = undefined;
    if (this.question?.begins !== undefined) this.question.begins = 0;
    this.#incoming.scan(bytes);
  }

  /**
   * Bytes go to the server.
   *
   * @param bytes As they go.
   */
  outgoing(bytes: Uint8Array): void {
    this.#outgoing.scan(bytes);
  }
}

/** Empties a list of a few: on Bun to set its length takes longer than to read what came. */
function empty(list: unknown[]): void {
  while (list.length > 0) list.pop();
}

class OutgoingSink implements MessageSink {
  readonly #tap: WireTap;

  constructor(tap: WireTap) {
    this.#tap = tap;
  }

  wants(): boolean {
    return false;
  }

  message(type: number): void {
    if (type === SYNC || type === 0) this.#tap.syncsSent++;
    else if (type === EXECUTE) this.#tap.executesSent++;
    else if (type === QUERY) {
      this.#tap.executesSent++;
      this.#tap.syncsSent++;
    }
  }
}

class IncomingSink implements MessageSink {
  readonly #tap: WireTap;
  readonly #messageEnd: () => number;

  /**
   * @param tap What to tell.
   * @param messageEnd Where, in the bytes that came last, the message ends that is told of.
   */
  constructor(tap: WireTap, messageEnd: () => number) {
    this.#tap = tap;
    this.#messageEnd = messageEnd;
  }

  wants(type: number): boolean {
    if (type === DATA_ROW) return this.#answersQuestion;
    return type === READY_FOR_QUERY || type === BACKEND_KEY_DATA || type === PARAMETER_STATUS ||
      type === ERROR_RESPONSE || type === NOTICE_RESPONSE;
  }

  get #answersQuestion(): boolean {
    const { question, syncsAnswered } = this.#tap;
    if (question === undefined || syncsAnswered !== question.after) return false;
    return !question.inside || question.begins !== undefined;
  }

  /** A message of a statement that our own question is asked with. */
  #beforeAnswer(type: number): void {
    const { question, syncsAnswered } = this.#tap;
    if (!question?.inside || question.begins !== undefined) return;
    if (syncsAnswered !== question.after) return;
    if (type === READY_FOR_QUERY) question.skipped = true;
    else if (type === COMMAND_COMPLETE || type === EMPTY_QUERY_RESPONSE) {
      question.begins = this.#messageEnd();
    }
  }

  /** A message of the answer to our own question; whatever it says, it is not about a statement. */
  #answer(type: number, bytes: Uint8Array, start: number, length: number): boolean {
    const { question } = this.#tap;
    if (question === undefined || !this.#answersQuestion) return false;
    if (type === DATA_ROW) question.row = bytes.slice(start, start + length);
    else if (type === READY_FOR_QUERY) question.ends = this.#messageEnd();
    return type === DATA_ROW || type === COMMAND_COMPLETE;
  }

  message(type: number, bytes: Uint8Array, start: number, length: number): void {
    const tap = this.#tap;
    tap.firstEnd ??= this.#messageEnd();
    if (tap.question !== undefined) {
      if (this.#answer(type, bytes, start, length)) return;
      this.#beforeAnswer(type);
    }
    switch (type) {
      case COPY_OUT_RESPONSE:
        tap.copyingOut = true;
        return;
      case COPY_DONE:
        tap.copyingOut = false;
        return;
      case READY_FOR_QUERY:
        tap.copyingOut = tap.completedAny = false;
        // It was one of a statement's own, raised with that code: who takes leave says nothing more.
        tap.farewell = undefined;
        tap.syncsAnswered++;
        tap.readyAt.push(this.#messageEnd());
        tap.status = bytes[start] ?? 0;
        tap.transaction = transactionStatus(tap.status);
        if (this.#answersQuestion && tap.question?.inside === false) {
          tap.question.begins = this.#messageEnd();
        }
        return;
      case DATA_ROW:
        tap.rowsLeft = true;
        return;
      case COMMAND_COMPLETE:
        tap.commandsCompleted++;
        tap.completedAny = true;
        tap.rowsLeft = tap.rowsCut = false;
        return;
      case PORTAL_SUSPENDED:
        tap.completedAny = true;
        return;
      case NOTICE_RESPONSE: {
        const notice = readError(bytes.subarray(start, start + length));
        if (FAREWELLS.has(notice.code)) tap.farewell = notice;
        return;
      }
      case ERROR_RESPONSE:
        tap.error = readError(bytes.subarray(start, start + length));
        if (tap.error.fatal) tap.fatal = tap.error;
        else if (tap.rowsLeft) {
          // From here on rows are those of the next statement, which may have come already.
          tap.rowsLeft = false;
          tap.rowsCut = true;
          tap.cutRowsAt.push(this.#messageEnd());
        }
        return;
      case BACKEND_KEY_DATA: {
        const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
        tap.pid = view.getInt32(0);
        tap.secret = bytes.slice(start + 4, start + length);
        return;
      }
      case PARAMETER_STATUS: {
        const [name, value] = text.decode(bytes.subarray(start, start + length)).split("\0");
        if (name === "in_hot_standby") tap.inHotStandby = value === "on";
        if (name === "default_transaction_read_only") tap.beganReadOnly ??= value === "on";
        if (name === "server_version") tap.serverVersion = parseInt(value ?? "", 10) || 0;
      }
    }
  }
}

function transactionStatus(byte: number): TransactionStatus | undefined {
  switch (byte) {
    case 0x49: // I
      return "idle";
    case 0x54: // T
      return "in transaction";
    case 0x45: // E
      return "failed";
  }
  return undefined;
}

/** Reads an ErrorResponse: fields of one letter and a text each. */
function readError(body: Uint8Array): ServerError {
  const fields = new Map<string, string>();
  for (const field of text.decode(body).split("\0")) fields.set(field.slice(0, 1), field.slice(1));
  // V is the severity that is never translated; S, before PostgreSQL 9.6, may be.
  const severity = fields.get("V") ?? fields.get("S");
  return {
    fatal: severity === "FATAL" || severity === "PANIC",
    code: fields.get("C") ?? "",
    message: fields.get("M") ?? "",
  };
}
