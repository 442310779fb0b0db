import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { DeadlockError, LeaseReleasedError, ScopeError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { LeftOpenEvent } from "../../../src/core/observer.ts";
import type { PoolOptions } from "../../../src/core/options.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import { assertCounts, must, type Setup, setup as plain, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const setup = (options: Omit<PoolOptions, "clock"> = {}): Setup =>
  plain({ context: { contextVariable, root }, ...options });

const say = (text: string) => (lease: Lease<FakeConnection>) => lease.connection.run(text);

/** A promise that a test settles. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test("in a scope use(), acquire() and tryAcquire() of the pool find its connection without asking the pool (P-04, Z-02, Z-13)", async () => {
  const { driver, pool } = setup({ max: 5 });
  const answer = await pool.scope(async (scope) => {
    assertEquals([pool.current() === scope, pool.stats().used], [true, 0]);
    assertEquals(pool.tryAcquire(), undefined);
    await pool.use(say("set k v"));
    const { acquires } = pool.stats().counters;
    {
      using lease = await pool.acquire();
      assertEquals(await lease.connection.run("show k"), "v");
    }
    must(pool.tryAcquire()).release();
    const helper = () => pool.use(say("show k"));
    assertEquals(await Promise.all([helper(), helper()]), ["v", "v"]);
    assertEquals([pool.stats().counters.acquires, pool.stats().used], [acquires, 1]);
    return "done";
  });
  assertEquals([answer, pool.current(), driver.counts.connect], ["done", undefined, 1]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("what a callback of use() starts in its scope is done within it (P-23, Y-04, Y-05)", async () => {
  const { clock, pool } = setup({ max: 1 });
  const order: string[] = [];
  const outcome = watch(pool.scope(() =>
    pool.use(async (outer) => {
      const nested = ["a", "b"].map((name) =>
        pool.use(async (lease) => {
          order.push(`${name} in`);
          await lease.connection.run("sleep 5");
          order.push(`${name} out`);
        })
      );
      await Promise.all(nested);
      using lease = await pool.acquire();
      assertEquals([lease.epoch, outer.released], [1, false]);
      return await outer.connection.run("select 1");
    })
  ));
  await clock.advance(100);
  assertEquals([outcome.value, outcome.error], ["1", undefined]);
  assertEquals(order, ["a in", "a out", "b in", "b out"]);
});

test("parallel branches of a scope are served in the order they came (X-01)", async () => {
  const { clock, pool } = setup();
  const order: string[] = [];
  const branch = (name: string) =>
    pool.use(async (lease) => {
      order.push(`${name} in`);
      await lease.connection.run("sleep 5");
      order.push(`${name} out`);
    });
  const all = watch(pool.scope(() => Promise.all(["a", "b", "c"].map(branch))));
  await clock.advance(100);
  assertEquals(all.state, "fulfilled");
  assertEquals(order, ["a in", "a out", "b in", "b out", "c in", "c out"]);
});

test("what a callback has started and not awaited goes on in the scope when the callback is over", async () => {
  const { pool } = setup();
  await pool.scope(async () => {
    const late = gate();
    const going: Promise<string>[] = [];
    await pool.use(() => {
      going.push(late.opened.then(() => pool.use(say("select 1"))));
    });
    late.open();
    assertEquals(await Promise.all(going), ["1"]);
  });
});

test("a use within a callback ends with it (X-12)", async () => {
  const { clock, pool } = setup();
  const leases: Lease<FakeConnection>[] = [];
  const waiting: { error?: unknown }[] = [];
  await pool.scope(async () => {
    await pool.use(async () => {
      leases.push(await pool.acquire());
      waiting.push(watch(pool.acquire()));
    });
    assertEquals(leases[0]?.released, true);
    await clock.settle(1_000);
    assertInstanceOf(waiting[0]?.error, ScopeError);
    assertEquals(await pool.use(say("select 1")), "1");
  });
  assertCounts(pool, { total: 1, idle: 1 });
});

test("timers and branches that outlive their scope are refused, not given a new connection (X-13)", async () => {
  const { pool } = setup();
  const branch = gate();
  const uses = [
    () => pool.use(say("select 2")),
    () => pool.acquire(),
    () => Promise.resolve(pool.tryAcquire()),
  ];
  const late: Promise<PromiseSettledResult<unknown>[]>[] = [];
  const tryAll = () => Promise.allSettled(uses.map(async (use) => void await use()));
  await pool.scope(async () => {
    await pool.use(say("select 1"));
    late.push(
      branch.opened.then(tryAll),
      new Promise<void>((resolve) => setTimeout(resolve)).then(tryAll),
      new Promise((resolve) => setTimeout(() => resolve(tryAll()))),
    );
  }, { name: "GET /" });
  branch.open();
  const outcomes = (await Promise.all(late)).flat();
  assertEquals(outcomes.length, 9);
  for (const outcome of outcomes) {
    assert(outcome.status === "rejected");
    assertInstanceOf(outcome.reason, ScopeError);
    assert(outcome.reason.message.includes('"GET /"'));
  }
  assertCounts(pool, { total: 1, idle: 1 });
});

test("scope() and scoped() within a scope use it, until it has ended", async () => {
  const { driver, pool } = setup();
  const inner = pool.scoped((text: string) => pool.use(say(text)), { name: "inner" });
  const late = gate();
  const going: Promise<string>[] = [];
  await pool.scope(async (scope) => {
    await pool.scope(async (same) => {
      assertEquals(same, scope);
      await inner("set k v");
    });
    assertEquals([scope.ended, await inner("show k")], [false, "v"]);
    going.push(late.opened.then(() => inner("select 1")));
  });
  late.open();
  assertEquals([await Promise.all(going), driver.counts.connect], [["1"], 1]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("a scope that was opened by hand lasts until it is ended by hand, whatever uses it (X-19)", async () => {
  const { pool } = setup();
  const helper = pool.scoped(() => pool.use(say("set k v")));
  using scope = pool.openScope();
  await scope.use(async () => {
    await helper();
    await pool.scope((same) => assertEquals(same, scope));
  });
  assertEquals([scope.ended, await scope.use(say("show k"))], [false, "v"]);
});

test("a scope lasts until the last handler that uses it has settled", async () => {
  const { pool } = setup();
  const late = gate();
  const inner = pool.scoped(async () => {
    await late.opened;
    return await pool.use(say("select 1"));
  });
  const going: Promise<string>[] = [];
  await pool.scope(() => void going.push(inner()));
  late.open();
  assertEquals(await Promise.all(going), ["1"]);
  assertCounts(pool, { total: 1, idle: 1 });
});

test("a fresh scope has a connection of its own (P-19, Y-06, P-28)", async () => {
  const { pool } = setup();
  await pool.scope(async (outer) => {
    await pool.use(say("set k v"));
    await pool.scope(async (inner) => {
      await pool.use(say("select 1"));
      assertEquals([inner === outer, inner.epoch, outer.epoch], [false, 2, 1]);
    }, { fresh: true });
    assertEquals(await pool.use(say("show k")), "v");
  });
});

test("outside() leaves the scope, for another connection (Y-06, P-28)", async () => {
  const { pool } = setup();
  const epochs = await pool.scope(async () => {
    const mine = await pool.use(({ epoch }) => epoch);
    const [other, current] = await pool.outside(async () => {
      const epoch = await pool.use(({ epoch }) => epoch);
      return [epoch, pool.current()] as const;
    });
    assertEquals(current, undefined);
    return [mine, other, await pool.use(({ epoch }) => epoch)];
  });
  assertEquals(epochs, [1, 2, 1]);
  assertEquals(pool.outside(() => "no scope"), "no scope");
  assertEquals(plain().pool.outside(() => "none made"), "none made");
});

test("scopes of several pools do not mix (P-29)", async () => {
  const [a, b] = [setup().pool, setup().pool];
  await a.scope(async (first) => {
    await b.use(say("select 1"));
    assertEquals([b.current(), b.stats().used], [undefined, 0]);
    await b.scope(async (second) => {
      await Promise.all([a.use(say("set k a")), b.use(say("set k b"))]);
      assertEquals([a.current() === first, b.current() === second], [true, true]);
      assertEquals([await a.use(say("show k")), await b.use(say("show k"))], ["a", "b"]);
    });
  });
});

test("contexts that begin at the same time have connections of their own (P-06, P-19, P-20, Y-20, Z-03)", async () => {
  const { clock, pool } = setup({ max: 3 });
  const requests = [1, 2, 3].map((value) =>
    watch(
      pool.scoped(async () => {
        await pool.use(say(`set k ${value}`));
        await pool.use(say("sleep 5"));
        return await pool.use(say("show k"));
      })(),
    )
  );
  await clock.advance(100);
  assertEquals(requests.map(({ value }) => value), ["1", "2", "3"]);
  assertCounts(pool, { total: 3, idle: 3 });
});

test("scoped() passes arguments, results and errors on (P-24)", async () => {
  const { pool } = setup();
  const handler = pool.scoped(async (a: number, b: number) => {
    if (a === 0) throw new Error("mine");
    await pool.use(say("select 1"));
    return a + b;
  });
  assertEquals(await handler(1, 2), 3);
  await assertRejects(() => handler(0, 0), Error, "mine");
  const sync = pool.scoped(() => {
    throw new Error("at once");
  });
  await assertRejects(() => sync(), Error, "at once");
  assertCounts(pool, { total: 1, idle: 1 });
});

test("scoped() gives a function of as many parameters as its handler: Deno.serve passes nothing to one of none", async () => {
  const { pool } = setup();
  const handler = pool.scoped((request: string, info: number) => `${request} ${info}`);
  assertEquals([handler.length, await handler("request", 1)], [2, "request 1"]);
  assertEquals(pool.scoped(() => {}).length, 0);
});

test("an explicit scope is entered by what is started in it, whatever scope runs (X-19)", async () => {
  const { pool } = setup();
  using mine = pool.openScope();
  await pool.scope(async (other) => {
    await mine.use(async (outer) => {
      // Of the same scope: within.
      assertEquals(await mine.use(({ epoch }) => epoch), outer.epoch);
      assertEquals(pool.current(), mine);
      assertEquals(await other.use(({ epoch }) => epoch), 2);
    });
    assertEquals(pool.current(), other);
  });
});

test("an acquire outside of the scope that waits for the scope itself is refused at once, with both stacks (X-26)", async () => {
  const { clock, pool } = setup({ max: 1 });
  const outcome = watch(pool.scope(async () => {
    await pool.use(say("select 1"));
    return await pool.outside(() => pool.acquire());
  }, { name: "request" }));
  const fresh = watch(pool.scope(async () => {
    await pool.use(say("select 1"));
    await pool.scope(() => pool.use(say("select 2")), { fresh: true });
  }));
  await clock.settle(1_000);
  for (const { error } of [outcome, fresh]) assertInstanceOf(error, DeadlockError);
  const { error } = outcome;
  assertInstanceOf(error, DeadlockError);
  assertEquals(error.holders.map(({ epoch, label }) => [epoch, label]), [[1, "request"]]);
  assert(/scope_context_test/.test(error.stack ?? ""));
  assertCounts(pool, { total: 1, idle: 1 });
});

test("who gives up in a callback that has a connection does not make those behind wait for that callback", async () => {
  const { clock, pool } = setup({ max: 1 });
  using scope = pool.openScope();
  const abort = new AbortController();
  const [end, over] = [gate(), gate()];
  const holder = pool.use(async () => {
    await end.opened;
    abort.abort(new Error("mine"));
    await over.opened;
  });
  const first = watch(scope.use(say("select 1"), { signal: abort.signal }));
  const second = watch(scope.use(say("select 2")));
  await clock.settle(1_000);
  end.open();
  await clock.settle(1_000);
  assertEquals([first.error, second.state], [abort.signal.reason, "pending"]);
  over.open();
  await holder;
  await clock.settle(1_000);
  assertEquals(second.value, "2");
});

test("who comes to its turn when somebody else gives up waits in the callback that it was asked for in (X-26)", async () => {
  const { clock, pool } = setup({ max: 1 });
  using scope = pool.openScope();
  const abort = new AbortController();
  const over = gate();
  const outcomes: { error?: unknown }[] = [];
  const holder = pool.use(async () => {
    outcomes.push(root(() => watch(scope.use(say("select 1"), { signal: abort.signal }))));
    outcomes.push(watch(scope.use(say("select 2"))));
    await over.opened;
  });
  await clock.settle(1_000);
  abort.abort(new Error("mine"));
  await clock.settle(1_000);
  assertEquals(outcomes[0]?.error, abort.signal.reason);
  assertInstanceOf(outcomes[1]?.error, DeadlockError);
  over.open();
  await holder;
});

test("who is refused at its turn leaves it to the next, who can still give up", async () => {
  const { clock, pool } = setup({ max: 1 });
  const scope = pool.openScope();
  const abort = new AbortController();
  const over = gate();
  const outcomes: { error?: unknown }[] = [];
  const holder = pool.use(async () => {
    outcomes.push(root(() => watch(scope.use(say("select 1"), { signal: abort.signal }))));
    outcomes.push(watch(scope.use(say("select 2"))));
    outcomes.push(root(() => watch(scope.use(say("select 3")))));
    await over.opened;
  });
  await clock.settle(1_000);
  abort.abort(new Error("mine"));
  await clock.settle(1_000);
  assertInstanceOf(outcomes[1]?.error, DeadlockError);
  assertEquals([outcomes[2]?.error, pool.stats().waiters], [undefined, 1]);
  scope.end();
  await clock.settle(1_000);
  assertInstanceOf(outcomes[2]?.error, ScopeError);
  assertEquals(pool.stats().waiters, 0);
  over.open();
  await holder;
  assertCounts(pool, { total: 1, idle: 1 });
});

test("a scope whose connection was given up within a callback ends while that is running", async () => {
  const told: unknown[] = [];
  const observer = {
    leftOpen: (event: LeftOpenEvent) => void told.push([event.kind, event.epoch]),
  };
  const { clock, pool } = setup({ observer });
  const over = gate();
  const scope = pool.openScope();
  const use = watch(scope.use(async () => {
    (await pool.acquire()).destroy();
    await over.opened;
  }));
  await clock.settle(1_000);
  scope.end();
  over.open();
  await clock.settle(1_000);
  assertEquals([use.state, told], ["fulfilled", [["callback", 0]]]);
  assertCounts(pool, {});
});

test("branches of one scope that wait outside of it count as one that holds a connection", async () => {
  const { clock, pool } = setup({ max: 2 });
  const lease = await pool.acquire();
  const outcome = watch(pool.scope(async () => {
    await pool.use(say("select 1"));
    const branch = () => pool.outside(() => pool.use(({ epoch }) => epoch));
    return await Promise.all([branch(), branch()]);
  }));
  await clock.settle(1_000);
  assertEquals(outcome.state, "pending");
  lease.release();
  await clock.settle(1_000);
  assertEquals(outcome.value, [1, 1]);
});

test("with untilRead a scope lasts until the body of the response was read or cancelled", async () => {
  const { clock, pool } = setup();
  const handler = pool.scoped(() => {
    let chunks = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const text = await pool.use(say(`select ${++chunks}`));
        controller.enqueue(new TextEncoder().encode(text));
        if (chunks === 3) controller.close();
      },
    }, { highWaterMark: 0 });
    return new Response(body, { status: 201, headers: { "x-mine": "yes" } });
  }, { untilRead: true });
  const response = await handler();
  assertEquals([response.status, response.headers.get("x-mine")], [201, "yes"]);
  assertEquals(await response.text(), "123");
  await clock.settle(1_000);
  assertCounts(pool, { total: 1, idle: 1 });
  const given = must((await handler()).body ?? undefined);
  const reader = given.getReader();
  await reader.read();
  assertEquals(pool.stats().used, 1);
  await reader.cancel();
  assertEquals(pool.stats().used, 0);
});

test("with untilRead streams that are returned bare count, and their errors come through", async () => {
  const { pool } = setup();
  const handler = pool.scoped((fails: boolean) =>
    new ReadableStream<string>({
      async pull(controller) {
        if (fails) throw new Error("mine");
        controller.enqueue(await pool.use(say("select 1")));
        controller.close();
      },
    }, { highWaterMark: 0 }), { untilRead: true });
  const reader = (await handler(false)).getReader();
  assertEquals((await reader.read()).value, "1");
  assertEquals((await reader.read()).done, true);
  const failing = (await handler(true)).getReader();
  await assertRejects(() => failing.read(), Error, "mine");
  const none = pool.scoped(() => new Response(null, { status: 204 }), { untilRead: true });
  assertEquals((await none()).status, 204);
  await assertRejects(
    () => pool.scoped(() => Promise.reject(new Error("no result")), { untilRead: true })(),
    Error,
    "no result",
  );
  assertEquals(pool.stats().used, 0);
});

test("a lease of a scope that is used in the callback of a later one is not that one's (X-12)", async () => {
  const { pool } = setup();
  await pool.scope(async () => {
    const first = await pool.acquire();
    first.release();
    await pool.use(() => {
      let error: unknown;
      try {
        void first.connection;
      } catch (thrown) {
        error = thrown;
      }
      assertInstanceOf(error, LeaseReleasedError);
    });
  });
});
