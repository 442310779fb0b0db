import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { countSessions, type Outcome, withWorker } from "./worker_client.ts";

/** A refusal is an answer at once, not the end of a wait. */
const AT_ONCE_MS = 1_000;

function assertRefused(outcomes: Record<string, Outcome>, hint: string): void {
  for (
    const [use, { name, message = "", code, outcome, ms = Infinity }] of Object.entries(outcomes)
  ) {
    assertEquals([name, code, outcome], ["ScopeError", "OUT_OF_SCOPE", "not-applied"], use);
    assertStringIncludes(message, hint, use);
    assertLess(ms, AT_ONCE_MS, use);
  }
}

Deno.test("A pool is refused outside of a request, and says what to do", () =>
  withWorker(async (workerd) => {
    const outcomes = await workerd.get<Record<string, Outcome>>("/outside");
    assertEquals(Object.keys(outcomes).length, 13);
    assertRefused(outcomes, "wrap the handler that uses it, export default { fetch: db.scoped(");
    // It still works where it should.
    assertEquals(await workerd.get("/select"), [{ one: 1, list: [1, 2] }]);
  }));

interface Kept extends Record<string, unknown> {
  readonly released: boolean;
}

Deno.test("What another request left is refused, and stays that request's own", () =>
  withWorker(async (workerd, schema) => {
    const keep = workerd.get("/keep");
    while (await countSessions(schema, "PgSleep") === 0);
    const { released, ...outcomes } = await workerd.get<Kept>("/use-kept");
    assertRefused(outcomes as Record<string, Outcome>, "take a new one in each request");
    assertEquals([Object.keys(outcomes).length, released], [6, false]);
    assertEquals(await keep, { own: 1 });
  }));

Deno.test("What another request left is refused when that has ended, within a request and outside", () =>
  withWorker(async (workerd) => {
    assertEquals(await workerd.get("/keep"), { own: 1 });
    for (const path of ["/use-kept", "/use-kept-outside"]) {
      const { released: _, ...outcomes } = await workerd.get<Kept>(path);
      for (
        const [use, { name, message, ms }] of Object.entries(outcomes as Record<string, Outcome>)
      ) {
        assert(
          name === "ScopeError" || name === "LeaseReleasedError",
          `${path} ${use}: ${message}`,
        );
        assertLess(ms ?? Infinity, AT_ONCE_MS, `${path} ${use}`);
      }
    }
  }));

Deno.test("TLS that workerd does not have is refused when the pool is made", () =>
  withWorker(async (workerd) => {
    const pem = "-----BEGIN CERTIFICATE-----";
    const refused: [unknown, string][] = [
      ["require", 'use sslmode "verify-full"'],
      ["prefer", 'use sslmode "verify-full"'],
      ["verify-ca", 'use sslmode "verify-full"'],
      [{ rejectUnauthorized: false }, 'use sslmode "verify-full"'],
      [{ ca: pem }, "leave out ca"],
      [{ cert: pem, key: pem }, "client certificate"],
    ];
    for (const [ssl, hint] of refused) {
      const ask = `/refused?ssl=${encodeURIComponent(JSON.stringify(ssl))}`;
      const { name, message = "" } = await workerd.get<Outcome>(ask);
      assertEquals(name, "TypeError", message);
      assertStringIncludes(message, hint);
      assert(!message.includes(pem));
    }
    const { message } = await workerd.get<Outcome>("/refused?ssl=true&direct=1");
    assertStringIncludes(message ?? "", "ALPN");
  }));
