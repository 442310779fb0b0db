import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { DeadlockError } from "../../../src/core/errors.ts";
import { type Holding, Nesting } from "../../../src/core/nesting.ts";
import type { Waiter } from "../../../src/core/waiter.ts";
import { contextVariable } from "../../../src/runtime/async_context.ts";
import { type FakeConnection, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";

/** A pool of one connection that is in use, and who waits for it. */
function setup() {
  const queued = new Set<Waiter<FakeConnection>>();
  const seen = { asked: 0 };
  const clock = new VirtualClock();
  const nesting = new Nesting<FakeConnection>({
    current: contextVariable(),
    turn: clock,
    clock,
    bag: { total: 1 },
    sizes: { max: 1 },
    queue: {
      get size() {
        return queued.size;
      },
      has(waiter) {
        seen.asked++;
        return queued.has(waiter);
      },
    },
  });
  const wait = (holding: Holding<FakeConnection>): Waiter<FakeConnection> => {
    const waiter = {} as Waiter<FakeConnection>;
    queued.add(waiter);
    nesting.waits(waiter, holding);
    return waiter;
  };
  return { nesting, queued, seen, wait };
}

function holding(released: boolean): Holding<FakeConnection> {
  const lease = { epoch: 1, released, lost: false };
  return { lease, since: 0, site: undefined, outer: undefined, scope: undefined, node: undefined };
}

test("Nesting looks at nobody for one that has nothing: it closes no circle (X-26)", () => {
  const { nesting, seen, wait } = setup();
  for (let count = 0; count < 1_000; count++) {
    const scope = holding(true);
    assertEquals(nesting.refusal(scope), undefined);
    wait(scope);
  }
  assertEquals(seen.asked, 0);
  assertInstanceOf(nesting.refusal(holding(false)), DeadlockError);
});

test("Nesting counts what the calls around one have that has nothing (X-26)", () => {
  const { nesting } = setup();
  assertInstanceOf(nesting.refusal({ ...holding(true), outer: holding(false) }), DeadlockError);
});

test("Nesting forgets those who wait no more, at a cost that does not grow with them", () => {
  const { nesting, queued, seen, wait } = setup();
  const scope = holding(true);
  for (let count = 0; count < 10_000; count++) queued.delete(wait(scope));
  assert(seen.asked < 30_000, `asked ${seen.asked} times`);
  seen.asked = 0;
  nesting.refusal(holding(false));
  assert(seen.asked <= 20, `asked ${seen.asked} times`);
});
