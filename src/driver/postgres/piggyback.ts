/**
 * Sends a question of our own along with a statement of a transaction, so that it costs no round trip.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { CommitWatch } from "./commit_watch.ts";
import type { Statement } from "./statement.ts";
import type { StatementsInFlight } from "./statements_in_flight.ts";
import { OwnQuestion, type WireTap } from "./wire_tap.ts";

/** With which a statement of the extended protocol ends. */
const SYNC = Uint8Array.of(0x53, 0, 0, 0, 4);

/** The questions of one connection, one at a time. */
export class Piggyback {
  readonly #tap: WireTap;
  readonly #flight: StatementsInFlight;
  /** Follows the transaction that is under way, while there is one. */
  watch: CommitWatch | undefined = undefined;
  /** Whether all is quiet but for the answer to a question, which is yet to come. */
  isQuiet = false;
  /** Who wants to ask something with the statement in flight: until that has left. */
  #toAsk: CommitWatch | undefined;
  /** Who wants the answer. */
  #asker: CommitWatch | undefined;

  /**
   * @param tap Of the connection.
   * @param flight The connection's statements.
   */
  constructor(tap: WireTap, flight: StatementsInFlight) {
    this.#tap = tap;
    this.#flight = flight;
  }

  /**
   * A statement is about to leave, alone.
   *
   * @param statement Which; behind one of the driver's own nothing is asked.
   */
  offer(statement: Statement): void {
    this.#toAsk = statement.isOurs ? undefined : this.watch;
  }

  /** What is about to leave is no statement of a transaction. */
  decline(): void {
    this.#toAsk = undefined;
  }

  /**
   * Adds our own question to the bytes of the statement that it is asked with: before its Sync, so that the server answers
   * both in one go; behind one of the simple protocol, which has no such place.
   *
   * @param bytes About to leave.
   * @returns What leaves.
   */
  attach(bytes: Uint8Array): Uint8Array {
    const asker = this.#toAsk;
    if (asker === undefined) return bytes;
    const statement = this.#flight.oldest;
    if (statement === undefined) return bytes;
    const { query, syncsBefore } = statement;
    const isSimple = query.options.simple === true;
    // What is only described is not complete; what could not be built is but a Sync.
    if (!isSimple && (bytes.length === SYNC.length || !endsWithSync(bytes))) return bytes;
    this.#toAsk = undefined;
    const question = asker.sent(query);
    if (question === undefined) return bytes;
    this.#asker = asker;
    this.#tap.question = new OwnQuestion(isSimple ? syncsBefore + 1 : syncsBefore, !isSimple);
    return isSimple
      ? Buffer.concat([bytes, question.simple])
      : Buffer.concat([bytes.subarray(0, -SYNC.length), question.extended, SYNC]);
  }

  /**
   * The answer came.
   *
   * @param row Body of the DataRow; `undefined` if there was none.
   */
  answered(row: Uint8Array | undefined): void {
    this.#tap.question = undefined;
    this.#asker?.answered(row);
  }
}

function endsWithSync(bytes: Uint8Array): boolean {
  const from = bytes.length - SYNC.length;
  return from >= 0 && SYNC.every((byte, index) => bytes[from + index] === byte);
}
