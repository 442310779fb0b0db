/**
 * Hands each part of what the server sends to whom it is for: porsager, the way past it, a command or a question of our
 * own.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { bufferOf } from "./buffer_of.ts";
import type { Bypass } from "./bypass.ts";
import type { Duplex } from "./duplex.ts";
import type { OwnCommand } from "./own_command.ts";
import type { Piggyback } from "./piggyback.ts";
import type { StatementsInFlight } from "./statements_in_flight.ts";
import type { OwnQuestion, WireTap } from "./wire_tap.ts";

/** A CommandComplete with an empty tag, as the server would send it. */
const COMMAND_COMPLETE = Uint8Array.of(0x43, 0, 0, 0, 5, 0);

/** What {@linkcode Demultiplexer} is made of. */
export interface DemultiplexerParts {
  /** Has read in passing what is handed on. */
  readonly tap: WireTap;
  /** To porsager. */
  readonly duplex: Duplex;
  /** Past it. */
  readonly bypass: Bypass;
  /** Whose answers come. */
  readonly flight: StatementsInFlight;
  /** What was asked along with them. */
  readonly piggyback: Piggyback;
  /** Told when the last of all answers was handed to others than porsager, which tells it by itself. */
  readonly quiet: () => void;
}

/** What comes on one connection, and whom it is for. */
export class Demultiplexer {
  readonly #tap: WireTap;
  readonly #duplex: Duplex;
  readonly #bypass: Bypass;
  readonly #flight: StatementsInFlight;
  readonly #piggyback: Piggyback;
  readonly #quiet: () => void;
  /** What executes, if that is a command that porsager does not know of. */
  #own: OwnCommand | undefined;
  /** Whether a message that is about no statement has begun and not ended. */
  #isAmidAside = false;
  #closed = false;

  /** @param parts What it is made of. */
  constructor({ tap, duplex, bypass, flight, piggyback, quiet }: DemultiplexerParts) {
    this.#tap = tap;
    this.#duplex = duplex;
    this.#bypass = bypass;
    this.#flight = flight;
    this.#piggyback = piggyback;
    this.#quiet = quiet;
  }

  /**
   * The next answer is that to a command that porsager does not know of.
   *
   * @param command About to be sent, alone.
   */
  expect(command: OwnCommand): void {
    this.#own = command;
  }

  /**
   * Bytes came, which the tap has seen.
   *
   * @param bytes As they came.
   */
  receive(bytes: Uint8Array): void {
    const from = this.#passAside(bytes);
    if (from >= bytes.length) return;
    const { question } = this.#tap;
    if (this.#own !== undefined) this.#receiveOwn(this.#own, bytes.subarray(from));
    else if (question === undefined) this.#deliver(bytes, from);
    else this.#passAround(question, bytes, from);
  }

  /** The connection is gone: what is left of the bytes that came is for nobody. */
  close(): void {
    this.#closed = true;
    this.#own = undefined;
  }

  /**
   * Passes on the end of a message that began while nothing was in flight: it is about no statement, though one was sent
   * meanwhile.
   *
   * @returns Where it ends.
   */
  #passAside(bytes: Uint8Array): number {
    const { firstEnd, isAmid, awaiting } = this.#tap;
    const wasAmid = this.#isAmidAside;
    this.#isAmidAside = isAmid && (!awaiting || wasAmid && firstEnd === undefined);
    if (!wasAmid) return 0;
    const end = firstEnd ?? bytes.length;
    this.#duplex.received(bytes.subarray(0, end));
    return end;
  }

  /** Gives each statement the part of the bytes that answers it. */
  #deliver(bytes: Uint8Array, start: number): void {
    if (this.#bypass.inFlight === 0) return this.#pass(bytes, start, bytes.length);
    const { readyAt, syncsAnswered } = this.#tap;
    const isAmidAside = this.#isAmidAside;
    const buffer = bufferOf(bytes);
    let statement = this.#flight.oldest;
    let sync = syncsAnswered - readyAt.length;
    let from = start;
    for (let i = 0; from < bytes.length; i++) {
      const to = readyAt[i] ?? bytes.length;
      while (statement !== undefined && statement.syncsBefore < sync) statement = statement.next;
      // What comes while nothing is in flight is porsager's.
      const known = i === readyAt.length && isAmidAside ? undefined : statement?.known;
      if (statement === undefined || known === undefined) this.#pass(bytes, from, to);
      else this.#bypass.receive(statement, known, buffer, from, to);
      if (this.#closed) return;
      from = to;
      sync++;
    }
    this.#tap.rowsCut = false;
    const { newest } = this.#flight;
    if (newest?.known !== undefined && this.#flight.isAnswered(newest)) this.#quiet();
  }

  /**
   * Passes bytes on to porsager. It counts rows until a command completes: behind an error amid rows the next result would
   * begin with as many holes, so here is a command that completes. (A cursor's is another matter: it would answer it.)
   */
  #pass(bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    if (this.#flight.oldest?.query.cursorFn === undefined) {
      for (const cut of this.#tap.cutRowsAt) {
        if (cut <= start || cut > end) continue;
        this.#duplex.received(bytes.subarray(from, cut));
        this.#duplex.received(COMMAND_COMPLETE);
        from = cut;
        this.#tap.rowsCut = false;
      }
    }
    this.#duplex.received(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end));
  }

  /** Takes the answer to a command that porsager does not know of, and passes on what is not about it. */
  #receiveOwn(command: OwnCommand, bytes: Uint8Array): void {
    const others = command.receive(bytes);
    if (!command.isOver) return others.forEach((message) => this.#duplex.received(message));
    this.#own = undefined;
    others.forEach((message) => this.#duplex.received(message));
    command.settle();
    this.#quiet();
  }

  /** Gives the statement in flight what is about it, and so not the answer to our own question. */
  #passAround(question: OwnQuestion, bytes: Uint8Array, from: number): void {
    if (question.skipped) {
      this.#tap.question = undefined;
      return this.#deliver(bytes, from);
    }
    const statement = this.#flight.oldest;
    const known = statement?.known;
    const { begins = bytes.length, ends } = question;
    if (ends !== undefined) this.#piggyback.answered(question.row);
    if (begins > from) {
      if (statement === undefined || known === undefined) this.#pass(bytes, from, begins);
      else this.#bypass.receive(statement, known, bufferOf(bytes), from, begins);
    }
    if (ends === undefined) return;
    // The end of the statement: it may have come in pieces, of which the first went with the answer.
    if (question.inside) {
      const end = Buffer.of(0x5a, 0, 0, 0, 5, this.#tap.status);
      if (statement === undefined || known === undefined) this.#duplex.received(end);
      else this.#bypass.receive(statement, known, end, 0, end.length);
    }
    if (ends < bytes.length) this.#duplex.received(bytes.subarray(ends));
    if (this.#piggyback.isQuiet || known !== undefined) {
      this.#piggyback.isQuiet = false;
      this.#quiet();
    }
  }
}
