import { assert, assertEquals, assertLess } from "@std/assert";
import { type Outcome, withWorker } from "./worker_client.ts";

interface Crowd {
  readonly pids: number[];
  readonly most: number;
  readonly max: number;
}

Deno.test("A worker selects, and its connection is closed behind the response (X-18)", () =>
  withWorker(async (workerd) => {
    // More than once: what one request leaves must not be in the way of the next.
    for (let i = 0; i < 3; i++) {
      assertEquals(await workerd.get("/select"), [{ one: 1, list: [1, 2] }]);
    }
  }));

Deno.test("A worker's transactions commit, and roll back", () =>
  withWorker(async (workerd, schema) => {
    assertEquals(await workerd.get("/transaction?x=1"), { value: "committed" });
    const { message } = await workerd.get<Outcome>("/transaction?x=2&fail");
    assertEquals(message, "changed my mind");
    assertEquals(await workerd.get("/begin"), [[{ x: 1 }], [{ x: 2 }]]);
    assertEquals(await schema.column("t", "x"), [1]);
  }));

Deno.test("Requests at the same time have connections of their own, at most five each (X-18, Z-03)", () =>
  withWorker(async (workerd) => {
    const requests = Array.from({ length: 6 }, () => workerd.get<Crowd>("/crowd?count=12"));
    const crowds = await Promise.all(requests);
    for (const { most, max, pids } of crowds) {
      assertEquals([most, max], [5, 5]);
      assertLess(pids.length, 6);
    }
    const pids = crowds.flatMap((crowd) => crowd.pids);
    assertEquals(new Set(pids).size, pids.length);
  }));

Deno.test("A scope in a wrapped handler has one connection, whose transactions all below them joins (X-18, Z-02)", () =>
  withWorker(async (workerd, schema) => {
    const { pids, outside, ...rest } = await workerd.get<{ pids: number[]; outside: number }>(
      "/scope",
    );
    assertEquals([new Set(pids).size, pids.length, pids.includes(outside)], [1, 4, false]);
    assertEquals(rest, {
      same: true,
      order: ["rolled back", "changed my mind", "committed"],
      left: true,
      name: "mine",
    });
    assertEquals(await schema.column("t", "x"), [1]);
  }));

Deno.test("Leases, views, callbacks and cancels work in a worker", async (test) => {
  await withWorker(async (workerd) => {
    await test.step("a lease keeps its session, and use() has it next", async () => {
      const [row, stats, used] = await workerd.get<[unknown, { used: number }, unknown]>("/lease");
      assertEquals([row, stats.used, used], [{ application_name: "mine" }, 1, { used: 1 }]);
    });
    await test.step("a view's deadline holds", async () => {
      const { name, ms } = await workerd.get<Outcome>("/limits");
      assertEquals(name, "StatementTimeoutError");
      assertLess(ms ?? Infinity, 900);
    });
    await test.step("callbacks of cursors and forEach find the pool", async () => {
      const [...seen] = await workerd.get<number[]>("/callbacks");
      assertEquals(seen.sort((a, b) => a - b), [1, 2, 2, 3, 4, 10, 20]);
    });
    await test.step("cancel() asks the server", async () => {
      const { code, outcome } = await workerd.get<Outcome>("/cancel");
      assertEquals([code, outcome], ["57014", "refused"]);
    });
    await test.step("a wrapped handler inside of another shares its connections", async () => {
      assertEquals(await workerd.get("/nested"), [false, 1]);
    });
  });
});

Deno.test("A handler that is given no context has the one of cloudflare:workers", () =>
  withWorker(async (workerd) => {
    assertEquals(await workerd.get("/without-context"), true);
  }));

Deno.test("A function for the URL is called in each request", () =>
  withWorker(async (workerd) => {
    assertEquals(await workerd.get("/by-request"), ["1s", 1, 2]);
    assertEquals(await workerd.get("/by-request"), ["2s", 2, 2]);
  }));

Deno.test("A body that is still read from a lease when the handler has returned comes to its end", () =>
  withWorker(async (workerd) => {
    const response = await fetch(`${workerd.url}/streamed?rows=50000`);
    const lines = (await response.text()).trimEnd().split("\n");
    assertEquals([lines.length, lines.at(-1)], [50_000, "50000"]);
  }));

Deno.test("A lease that is never given back is closed behind the response", () =>
  withWorker(async (workerd) => {
    assertEquals(await workerd.get("/leaks"), "kept");
  }));

Deno.test("Work behind the response needs a wrapped handler of its own", () =>
  withWorker(async (workerd) => {
    assertEquals(await workerd.get("/behind"), "responded");
    assertEquals(await workerd.get("/late"), "responded");
    const outcomes: (Outcome & { word?: string })[] = [];
    while (outcomes.length < 3) outcomes.push(...await workerd.get<Outcome[]>("/background"));
    assertEquals(outcomes.map(({ name, word }) => name ?? word).sort(), [
      "ScopeError",
      "ScopeError",
      "behind",
    ]);
    for (const { message } of outcomes) {
      assert(message === undefined || message.includes("ctx.waitUntil(db.scoped(work)())"));
    }
  }));
