import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Bypass } from "../../../src/driver/postgres/bypass.ts";
import { parseOptions } from "../../../src/driver/postgres/parse_options.ts";
import type { PorsagerQuery } from "../../../src/driver/postgres/porsager.ts";
import { SendDelay } from "../../../src/driver/postgres/send_delay.ts";
import type { Statement } from "../../../src/driver/postgres/statement.ts";
import { test } from "../../support/harness.ts";
import { concat, message, ready } from "./messages.ts";

test("SendDelay keeps statements back while the server is busy for as long as they take to get there", () => {
  let now = 0;
  const delay = new SendDelay(() => now);
  const most = (inHand: number) => {
    let waiting = 0;
    while (!delay.isDue(waiting + 1, inHand)) waiting++;
    return waiting;
  };
  assertEquals([0, 1, 8, 9, 80, 800].map(most), [0, 0, 0, 1, 9, 99], "nothing is known yet");
  const answer = (ms: number, times = 1) => {
    for (let time = 0; time < times; time++) {
      delay.left();
      now += ms;
      delay.answered();
    }
  };
  answer(0.5);
  assertEquals([0, 8, 9, 49, 50, 800].map(most), [0, 0, 1, 6, 49, 799]);
  // An answer that is late does not make the way longer.
  answer(10, 100);
  assertEquals([49, 50].map(most), [6, 49]);
  // Later not all are timed, but some are.
  answer(0.1, 16);
  assertEquals([9, 10, 11].map(most), [1, 1, 10]);
});

const STRINGS = Object.freeze(["select 1"]);
const ANSWER = Buffer.from(concat(message("2"), message("C", "SELECT 0"), ready()));

/** A statement that a connection without a server knows, over and over. */
class Repetition {
  /** How many statements left with each write. */
  readonly writes: number[] = [];
  readonly #bypass: Bypass;
  readonly #inFlight: Statement[] = [];
  #size = 1;

  constructor(now: () => number) {
    const options = parseOptions({ connection: {} }, () => undefined);
    const write = ({ length }: Uint8Array) => this.writes.push(length / this.#size);
    this.#bypass = new Bypass(options, { write, aside: () => {} }, new SendDelay(now));
    const query = this.#query();
    this.#bypass.learnFrom(query);
    query.resolve([]);
    this.take();
    this.#bypass.flush();
    this.#size = this.writes.pop() ?? 1;
    this.answer(1);
  }

  #query(): PorsagerQuery {
    const statement = { string: "select 1", name: "n", types: [], columns: [] };
    const query = { strings: STRINGS, args: [], options: {}, tagged: true, prepare: "n" };
    const settle = { resolve: () => {}, reject: () => {} };
    return { ...query, ...settle, signature: "select 1", statement } as unknown as PorsagerQuery;
  }

  /** One more is sent, to leave when that is due, or at once. */
  take(pipelined = true): void {
    const statement = { query: this.#query(), pipelined } as unknown as Statement;
    assertEquals(this.#bypass.take(statement), true);
    this.#inFlight.push(statement);
  }

  /** Answers to the oldest come. */
  answer(count: number): void {
    for (const statement of this.#inFlight.splice(0, count)) {
      const { known } = statement;
      if (known === undefined) throw new Error("not taken");
      this.#bypass.receive(statement, known, ANSWER, 0, ANSWER.length);
    }
  }

  close(): void {
    this.#bypass.close();
  }
}

async function turn(): Promise<void> {
  await Promise.resolve();
}

test("Known statements leave together, in the same turn or while the server is busy", async () => {
  let now = 0;
  const repetition = new Repetition(() => now += 0.05);
  const { writes } = repetition;
  for (let time = 0; time < 20; time++) repetition.take();
  assertEquals(writes, [], "all of a turn leave together");
  await turn();
  assertEquals(writes.splice(0), [20]);
  repetition.answer(2);
  for (let time = 0; time < 2; time++) repetition.take();
  await turn();
  assertEquals(writes, [], "18 are in hand");
  repetition.answer(12);
  await turn();
  assertEquals(writes, [], "6 are in hand, more than are executed until these get there");
  repetition.answer(2);
  await turn();
  assertEquals(writes.splice(0), [2]);
  repetition.answer(4);
  repetition.take();
  await turn();
  assertEquals(writes.splice(0), [1]);
  repetition.take(false);
  assertEquals(writes.splice(0), [1], "one that is not pipelined does not wait for the turn");
  for (let time = 0; time < 20; time++) repetition.take();
  await turn();
  writes.length = 0;
  repetition.take();
  await turn();
  repetition.close();
  await turn();
  assertEquals(writes, [], "the connection is gone");
});
