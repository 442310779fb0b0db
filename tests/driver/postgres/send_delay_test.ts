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
  assertEquals(delay.isDue(1, 1_000), true, "nothing is known yet");
  delay.left();
  now = 0.5;
  delay.answered();
  assertEquals([delay.isDue(1, 50), delay.isDue(1, 49)], [false, true]);
  assertEquals([delay.isDue(99, 100), delay.isDue(100, 100)], [false, true]);
  // Most are not timed, and an answer that is late does not make the way longer.
  for (let time = 0; time < 16; time++) {
    delay.left();
    now += 10;
    delay.answered();
  }
  assertEquals([delay.isDue(1, 50), delay.isDue(1, 49)], [false, true]);
  for (let time = 0; time < 16; time++) {
    delay.left();
    now += 0.1;
    delay.answered();
  }
  assertEquals([delay.isDue(1, 11), delay.isDue(1, 9)], [false, true]);
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
  repetition.answer(13);
  await turn();
  assertEquals(writes, [], "5 are in hand, as many as are executed until these get there");
  repetition.answer(1);
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
