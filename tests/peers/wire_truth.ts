/**
 * What really happened to each write, read off the wire: no client is asked, none is believed.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { isCommit, type WireMessage } from "../faults/wire_message.ts";

const ID = /id-\d+-\d+\./;

/** What is known of the statements in hand on one connection. */
interface Hand {
  /** Ids that were sent and not yet answered, in order. */
  readonly sent: string[];
  /** Those of the transaction that is open, answered or not. */
  readonly inTransaction: Set<string>;
}

/** Reads the wire. */
export class WireTruth {
  /** Left its client: as a statement of its own, or with the COMMIT of its transaction. */
  readonly #left = new Set<string>();
  /** The server said that it was not carried out: by an error, or by FATAL 57P01 in place of an answer. */
  readonly #refused = new Set<string>();
  readonly #hands = new Map<number, Hand>();
  readonly #transactions: boolean;

  /** @param transactions Whether writes are in force only by a COMMIT. */
  constructor(transactions: boolean) {
    this.#transactions = transactions;
  }

  /**
   * Whether a write is without effect for sure, by what passed on the wire.
   *
   * @param id The write.
   * @returns Whether sending it again would have been safe.
   */
  isWithoutEffect(id: string): boolean {
    return !this.#left.has(id) || this.#refused.has(id);
  }

  /**
   * Sees a message.
   *
   * @param message The message.
   */
  see(message: WireMessage): void {
    const { connection, from, type, body } = message;
    const hand = this.#hands.get(connection) ?? { sent: [], inTransaction: new Set() };
    this.#hands.set(connection, hand);
    if (from === "client") this.#seeRequest(hand, message);
    else if (type === "C" && body.toString().startsWith("INSERT")) hand.sent.shift();
    else if (type === "E") this.#seeError(hand, body);
  }

  #seeRequest(hand: Hand, message: WireMessage): void {
    if (isCommit(message)) {
      for (const id of hand.inTransaction) this.#leave(id);
      hand.inTransaction.clear();
      return;
    }
    // Bind has the value; so has a Query with the value in its text.
    if (message.type !== "B" && message.type !== "Q") return;
    const [id] = ID.exec(message.body.toString("latin1")) ?? [];
    if (id === undefined) return;
    hand.sent.push(id);
    if (this.#transactions) hand.inTransaction.add(id);
    else this.#leave(id);
  }

  /** It may be sent more than once: what was said of it before does not count any more. */
  #leave(id: string): void {
    this.#left.add(id);
    this.#refused.delete(id);
  }

  #seeError(hand: Hand, body: Buffer): void {
    const fields = body.toString().split("\0");
    const fieldOf = (name: string) => fields.find((field) => field.startsWith(name))?.slice(1);
    const fatal = fieldOf("V") === "FATAL";
    // Another FATAL than this one says nothing of what was under way.
    if (fatal && fieldOf("C") !== "57P01") return;
    const ids = fatal ? hand.sent.splice(0) : hand.sent.splice(0, 1);
    for (const id of ids) this.#refused.add(id);
  }
}
