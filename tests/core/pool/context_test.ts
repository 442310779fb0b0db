import { assertEquals } from "@std/assert";
import { Pool } from "../../../src/core/pool.ts";
import type { Clock, Timer } from "../../../src/core/clock.ts";
import type { Driver } from "../../../src/core/driver.ts";
import type { PoolEvents, PoolObserver } from "../../../src/core/observer.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";

const context = { contextVariable, root };
const user = contextVariable<string>();

/** All that can be observed. */
const EVENTS = [
  "waiting",
  "acquired",
  "released",
  "connecting",
  "connected",
  "connectFailed",
  "checked",
  "reset",
  "lost",
  "closed",
  "condemned",
  "timedOut",
  "gaveUp",
  "refused",
  "outageBegan",
  "outageEnded",
  "leaked",
  "poolResized",
  "poolSuspended",
  "poolResumed",
  "poolClosing",
] as const satisfies readonly (keyof PoolEvents)[];

/** Writes down who is served where something of the pool's own runs. */
class Witness {
  readonly seen: Set<string> = new Set();

  see(what: string): void {
    this.seen.add(`${what} for ${user.get() ?? "nobody"}`);
  }

  /** What was done for somebody. */
  get forSomebody(): string[] {
    return [...this.seen].filter((line) => !line.endsWith(" for nobody"));
  }

  clock(clock: VirtualClock): Clock {
    return {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      random: () => clock.random(),
      schedule: (delayMs, fn): Timer => {
        this.see("timer");
        return clock.schedule(delayMs, fn);
      },
    };
  }

  observer(): PoolObserver {
    return Object.fromEntries(EVENTS.map((name) => [name, () => this.see(name)]));
  }
}

class WitnessedDriver extends FakeDriver {
  readonly #witness: Witness;

  constructor(witness: Witness, clock: VirtualClock) {
    super({ clock });
    this.#witness = witness;
  }

  override connect(
    ...args: Parameters<Driver<FakeConnection>["connect"]>
  ): Promise<FakeConnection> {
    this.#witness.see("connect");
    return super.connect(...args);
  }
}

function setup(options: Omit<PoolOptions<FakeConnection>, "clock" | "context"> = {}) {
  const clock = new VirtualClock();
  const witness = new Witness();
  const driver = new WitnessedDriver(witness, clock);
  const pool = new Pool<FakeConnection>(driver, {
    clock: witness.clock(clock),
    context,
    observer: witness.observer(),
    session: async () => {
      witness.see("session");
      await Promise.resolve();
      witness.see("session, later");
    },
    ...options,
  });
  return { clock, witness, driver, pool };
}

test("on a cold pool timers, connects, the session's set-up and observers are in nobody's context, callbacks in their caller's (X-14)", async () => {
  const { clock, witness, pool } = setup({ leakAfterMs: 10, idleTimeoutMs: 1_000 });
  const seen = user.run("ada", () =>
    pool.use(async ({ connection }) => {
      await connection.run("select 1");
      await new Promise<void>((resolve) => clock.schedule(20, resolve));
      return user.get();
    }));
  await clock.advance(50);
  assertEquals(await seen, "ada");
  await clock.advance(2_000);
  assertEquals(pool.stats().total, 0);
  await pool.close();
  assertEquals(witness.forSomebody, []);
  assertEquals(
    [...witness.seen].sort(),
    [
      "acquired",
      "closed",
      "connect",
      "connected",
      "connecting",
      "leaked",
      "poolClosing",
      "released",
      "session",
      "session, later",
      "timer",
      "waiting",
    ].map((what) => `${what} for nobody`),
  );
});

test("on a busy pool each callback has the context of its own caller, and what is the pool's has none (X-14)", async () => {
  const { clock, witness, pool } = setup({ max: 2, reset: "session" });
  const names = Array.from({ length: 20 }, (_, index) => `user ${index}`);
  const work = names.map((name) =>
    user.run(name, () =>
      pool.use(async ({ connection }) => {
        const before = user.get();
        await connection.run("select 1");
        return [before, user.get()];
      }))
  );
  const waits = names.map((name) =>
    user.run(name, async () => {
      const lease = await pool.acquire({ timeoutMs: 5_000 });
      lease.release();
      return user.get();
    })
  );
  await clock.advance(1_000);
  assertEquals(await Promise.all(work), names.map((name) => [name, name]));
  assertEquals(await Promise.all(waits), names);
  assertEquals(witness.seen.has("reset for nobody"), true);
  await pool.close();
  assertEquals(witness.forSomebody, []);
});

test("callbacks of lend() are called by whoever gives back, and hold nobody's place in the pool's own timers (X-14)", async () => {
  const { clock, witness, pool } = setup({ max: 1 });
  const first = user.run("ada", () => pool.acquire());
  await clock.advance(1);
  const lent: (string | undefined)[] = [];
  user.run("grace", () => {
    pool.lend(
      (lease) => {
        lent.push(user.get());
        lease.release();
      },
      () => {},
      { timeoutMs: 100 },
    );
  });
  const lease = await first;
  user.run("ada", () => lease.release());
  await clock.advance(1);
  // Documented: no turn of the event loop comes between. Front ends keep their caller's context themselves.
  assertEquals(lent, ["ada"]);
  await pool.close();
  assertEquals(witness.forSomebody, []);
});

test("while the server cannot be had the next attempts are in nobody's context, whoever waits (X-14)", async () => {
  const { clock, witness, driver, pool } = setup({ max: 1 });
  driver.refuse("connect", 5);
  const served = user.run("ada", () => pool.use(() => user.get()));
  const late = user.run("grace", () => pool.acquire({ timeoutMs: 10 })).catch(() => user.get());
  await clock.advance(9_000);
  assertEquals(await served, "ada");
  assertEquals(await late, undefined);
  await pool.close();
  assertEquals(witness.forSomebody, []);
  for (const what of ["connectFailed", "outageBegan", "outageEnded", "timedOut"]) {
    assertEquals([what, witness.seen.has(`${what} for nobody`)], [what, true]);
  }
});

test("a lost connection, one that is checked, and one that is kept alive, are nobody's (X-14)", async () => {
  const { clock, witness, driver, pool } = setup({ max: 1, keepaliveMs: 5_000, minIdle: 1 });
  await user.run("ada", async () => {
    const ready = pool.ready();
    await clock.advance(1);
    await ready;
  });
  await clock.advance(2_000);
  const asked = user.run("grace", () => pool.use(() => user.get()));
  await clock.advance(1);
  assertEquals(await asked, "grace");
  await clock.advance(6_000);
  user.run("ada", () => driver.break(driver.connections[0] as FakeConnection));
  await clock.advance(1_000);
  assertEquals(pool.stats().idle, 1);
  await pool.close();
  assertEquals(witness.forSomebody, []);
  for (const what of ["checked", "lost"]) {
    assertEquals([what, witness.seen.has(`${what} for nobody`)], [what, true]);
  }
});

test("a pool that knows no runtime sets its timers where it is (X-14, X-19)", async () => {
  const clock = new VirtualClock();
  const pool = new Pool<FakeConnection>(new FakeDriver({ clock }), { clock });
  const seen = user.run("ada", () => pool.use(() => user.get()));
  await clock.advance(1);
  assertEquals(await seen, "ada");
  await pool.close();
});

test("the pool's own affairs are in no scope, whoever's scope needs them first (X-14, X-20)", async () => {
  const scopes: unknown[] = [];
  const { clock, witness, pool } = setup({
    max: 1,
    session: () => void scopes.push(pool.current()),
    observer: { connected: () => void scopes.push(pool.current()) },
  });
  const seen = user.run("ada", () =>
    pool.scope(async (scope) => {
      await pool.use(({ connection }) => connection.run("select 1"));
      return await pool.use(() => [user.get(), pool.current() === scope]);
    }));
  await clock.advance(1);
  assertEquals([await seen, scopes], [["ada", true], [undefined, undefined]]);
  await pool.close();
  assertEquals(witness.forSomebody, []);
});

test("callbacks of a busy scope have the context of who asked for it, not of who gives it back (X-14)", async () => {
  const { clock, witness, pool } = setup({ max: 1 });
  const scope = pool.openScope();
  const names = ["ada", "grace", "edsger"];
  const seen = names.map((name) =>
    user.run(name, () =>
      scope.use(async ({ connection }) => {
        await connection.run("select 1");
        return user.get();
      }))
  );
  await clock.advance(10);
  assertEquals(await Promise.all(seen), names);
  scope.end();
  await pool.close();
  assertEquals(witness.forSomebody, []);
});
