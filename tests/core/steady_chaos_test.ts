/**
 * A steady connection in a storm of faults, in virtual time: what was acknowledged is there exactly once, what was refused
 * or rolled back is not, nothing hangs, nothing is left. A seed that fails is named, and fails again.
 */

import { assert, assertEquals } from "@std/assert";
import { outcomeOf } from "../../src/core/steady_outcome.ts";
import { type FakeConnection, FakeError } from "../../src/testing/mod.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { test } from "../support/harness.ts";
import { assertNothingLeft, type Bench, bench } from "./steady_setup.ts";

/** How often what was written may be there. */
type Expected = "once" | "at least once" | "never" | "at most once" | "any";

interface Entry {
  readonly ids: readonly string[];
  readonly what: string;
  expected: Expected | undefined;
}

/** Random work and random faults on one steady connection. */
class Storm {
  readonly b: Bench;
  readonly entries: Entry[] = [];
  readonly #random: () => number;
  #lastId = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.b = bench({
      session: this.#chance(0.5) ? ["set a 1"] : undefined,
      maxUses: this.#chance(0.5) ? 3 : Infinity,
      maxLifetimeMs: 20_000,
      check: this.#pick(["never", "always", "statement"] as const),
      checkAfterIdleMs: this.#pick([0, 500]),
    });
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.#random() * choices.length)];
    if (choice === undefined) throw new Error("there is a choice");
    return choice;
  }

  async step(): Promise<void> {
    if (this.#chance(0.5)) this.#fault();
    for (let count = Math.floor(this.#random() * 4); count > 0; count--) this.#begin();
    if (this.#chance(0.3)) await this.b.clock.settle(Math.floor(this.#random() * 40));
    else await this.b.clock.advance(Math.floor(this.#random() * 1_000));
  }

  #fault(): void {
    const { driver, clock } = this.b;
    const connection = driver.connections[0];
    const point = this.#pick(["before send", "after send", "after apply"] as const);
    const operation = this.#pick(["statement", "statement", "execute", "ping"] as const);
    switch (Math.floor(this.#random() * 9)) {
      case 0:
        return connection && driver.break(connection);
      case 1:
        return connection && driver.terminate(connection);
      case 2:
      case 3:
        return driver.breakAt(point, 1, operation);
      case 4:
        return driver.refuse("connect", 1 + Math.floor(this.#random() * 3));
      case 5:
        return driver.hold(this.#pick(["connect", "statement", "execute", "ping", "close"]), 1);
      case 6:
        return driver.delay(this.#pick(["connect", "statement", "execute"]), 700, 1);
      case 7:
        return driver.refuse(operation, 1, new FakeError(this.#pick(["lost", "statement"]), "no"));
      case 8:
        return clock.shiftWall(this.#pick([-30_000, 30_000]));
    }
  }

  #begin(): void {
    const { steady, clock } = this.b;
    const id = `${++this.#lastId}`;
    const timeoutMs = 200 + Math.floor(this.#random() * 15_000);
    switch (Math.floor(this.#random() * 6)) {
      case 0:
      case 1:
        return this.#note(
          [id],
          "once",
          () => steady.run((c) => c.run(`write ${id}`), { timeoutMs }),
        );
      case 2: {
        const options = { timeoutMs, idempotent: true };
        const work = () => steady.run((c) => c.run(`write ${id}`), options);
        return this.#note([id], "at least once", work);
      }
      case 3:
        return this.#note([id, `${id}b`], "once", () =>
          steady.run(async (connection) => {
            await connection.run(`write ${id}`);
            await connection.run(`write ${id}b`);
          }, { timeoutMs }));
      case 4:
      case 5: {
        const abort = new AbortController();
        const timer = clock.schedule(timeoutMs, () => abort.abort("given up"));
        const fails = this.#chance(0.2);
        const work = async (connection: FakeConnection): Promise<void> => {
          await connection.run(`write ${id}`);
          if (fails) await connection.run("fail").catch(() => {});
          await connection.run(`write ${id}b`).catch((error: unknown) => {
            if (!fails) throw error;
          });
        };
        const { signal } = abort;
        return this.#note([id, `${id}b`], "once", async () => {
          try {
            await steady.transaction(work, { signal });
            assert(!fails, "a transaction in which a statement failed is no success");
          } finally {
            timer.cancel();
          }
        });
      }
    }
  }

  #note(ids: readonly string[], success: Expected, work: () => Promise<unknown>): void {
    const entry: Entry = { ids, what: work.toString(), expected: undefined };
    this.entries.push(entry);
    work().then(
      () => entry.expected = success,
      (error: unknown) => {
        const outcome = outcomeOf(error) ?? (error === "given up" ? "rolled-back" : "refused");
        // Of two statements in one unit the first may have been executed, of two attempts, too.
        const partial = outcome === "refused" && (ids.length === 2 || success === "at least once");
        const unknown: Expected = success === "at least once" ? "any" : "at most once";
        entry.expected = outcome === "unknown" || partial ? unknown : "never";
      },
    );
  }

  /** Transactions by hand, one after the other; whatever happens, their owner ends them by a rollback. */
  async byHand(count: number): Promise<void> {
    const { steady } = this.b;
    for (let i = 0; i < count; i++) {
      const ids = Array.from({ length: 3 }, () => `${++this.#lastId}`);
      const entry: Entry = { ids, what: "transaction by hand", expected: undefined };
      this.entries.push(entry);
      if (this.#chance(0.5)) this.#fault();
      try {
        await steady.begin();
        for (const id of ids) {
          if (this.#chance(0.3)) this.#fault();
          const writing = steady.run((c) => c.run(`write ${id}`), { timeoutMs: 500 });
          // Careless owners go on.
          await writing.catch(() => {});
        }
        if (this.#chance(0.3)) this.#fault();
        if (this.#chance(0.2)) throw new FakeError("statement", "the owner wants a rollback");
        const abort = new AbortController();
        const timer = this.b.clock.schedule(5_000, () => abort.abort("given up"));
        await steady.commit({ signal: abort.signal }).finally(() => timer.cancel());
        entry.expected = "once";
      } catch (error) {
        entry.expected = outcomeOf(error) === "unknown" ? "at most once" : "never";
        await steady.rollback().catch((error: unknown) => {
          assertEquals(Reflect.get(error as object, "code"), "NO_TRANSACTION");
        });
      }
      assert(["idle", "unknown"].includes(steady.status), steady.status);
    }
  }

  async end(): Promise<void> {
    const { driver, clock, steady } = this.b;
    driver.restore();
    await clock.advance(60_000);
    await clock.settle(2_000);
    const pending = this.entries.filter(({ expected }) => expected === undefined);
    assertEquals(pending, [], "nothing hangs");
    const count = (id: string): number => driver.applied.filter((value) => value === id).length;
    for (const { ids, expected, what } of this.entries) {
      const counts = ids.map(count);
      const fits = {
        "once": (n: number) => n === 1,
        "at least once": (n: number) => n >= 1,
        "never": (n: number) => n === 0,
        "at most once": (n: number) => n <= 1,
        "any": () => true,
      }[expected ?? "never"];
      assert(counts.every(fits), `${ids} should be there ${expected}: ${counts}; ${what}`);
      // All or nothing, whatever is known of it.
      const isTransaction = what.includes("transaction");
      if (isTransaction) assertEquals(new Set(counts).size, 1, `${ids}: ${counts}`);
    }
    await steady.run((connection) => connection.run("select 1"));
    const closing = steady.close();
    await clock.advance(20_000);
    await closing;
    assertNothingLeft(this.b);
    assert(driver.peak <= 2, `${driver.peak} connections at once`);
  }
}

test("A storm of faults: nothing lost, nothing doubled, nothing hangs, nothing left", async () => {
  const seen: Record<string, number> = {};
  for (let seed = 1; seed <= 100; seed++) {
    const storm = new Storm(seed);
    try {
      for (let step = 0; step < 60; step++) await storm.step();
      await storm.end();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const { expected = "" } of storm.entries) seen[expected] = (seen[expected] ?? 0) + 1;
  }
  // The storm is one, and it is not so bad that nothing works.
  for (const expected of ["once", "at least once", "never", "at most once"]) {
    assert((seen[expected] ?? 0) > 100, JSON.stringify(seen));
  }
});

test("A storm of faults on transactions by hand", async () => {
  const seen: Record<string, number> = {};
  for (let seed = 1; seed <= 100; seed++) {
    const storm = new Storm(seed);
    let isOver = false;
    try {
      const working = storm.byHand(20).finally(() => isOver = true);
      for (let step = 0; !isOver && step < 1_000; step++) await storm.b.clock.advance(1_000);
      assert(isOver, "it comes to an end");
      await working;
      await storm.end();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const { expected = "" } of storm.entries) seen[expected] = (seen[expected] ?? 0) + 1;
  }
  for (const expected of ["once", "never", "at most once"]) {
    assert((seen[expected] ?? 0) > 20, JSON.stringify(seen));
  }
});
