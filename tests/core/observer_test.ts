import { assertEquals, assertThrows } from "@std/assert";
import { checkObserver, Events, type PoolObserver } from "../../src/core/observer.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

const CONNECTED = { epoch: 1, background: false, connectMs: 5 };

test("Events without an observer are off, and tell nobody", async () => {
  const clock = new VirtualClock();
  const events = new Events(undefined, { name: "p" }, clock);
  events.tell("connected", CONNECTED);
  await clock.settle();
  assertEquals([events.on, clock.pending], [false, 0]);
});

test("Events are told in their order, when what is on the stack is over (A-39)", async () => {
  const clock = new VirtualClock({ startMs: 7 });
  const told: unknown[] = [];
  const events = new Events(
    {
      connecting: (event) => void told.push("connecting", event),
      connected: (event) => void told.push("connected", event),
    },
    { name: "p" },
    clock,
  );
  events.tell("connecting", { background: true });
  events.tell("doubted", {});
  events.tell("connected", CONNECTED);
  assertEquals([events.on, told], [true, []]);
  await clock.advance(3);
  assertEquals(told, [
    "connecting",
    { pool: "p", at: 7, background: true },
    "connected",
    { pool: "p", at: 7, ...CONNECTED },
  ]);
});

test("Events: what happens in a callback is told after what happened before (X-20)", async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const events: Events = new Events(
    {
      poolSuspended: () => {
        told.push("suspended");
        events.tell("poolResumed", {});
      },
      doubted: () => told.push("doubted"),
      poolResumed: () => told.push("resumed"),
    },
    { name: "p" },
    clock,
  );
  events.tell("poolSuspended", {});
  events.tell("doubted", {});
  await clock.settle();
  assertEquals(told, ["suspended", "doubted", "resumed"]);
});

test("Events: an observer that throws, or whose promise is rejected, hurts nobody (X-15, D-52)", async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const events = new Events(
    {
      poolSuspended: () => {
        throw new Error("mine");
      },
      doubted: () => Promise.reject(new Error("mine")),
      poolResumed: () => {
        told.push("resumed");
        return {
          get then() {
            throw new Error("mine");
          },
        };
      },
      poolClosed: () => told.push("closed"),
    },
    { name: "p" },
    clock,
  );
  for (const name of ["poolSuspended", "doubted", "poolResumed", "poolClosed"] as const) {
    events.tell(name, {});
  }
  await clock.settle();
  assertEquals(told, ["resumed", "closed"]);
});

test("Events are delivered where the runtime says, as methods of the observer", async () => {
  const clock = new VirtualClock();
  const rooted: string[] = [];
  class Counter implements PoolObserver {
    doubts = 0;
    doubted() {
      rooted.push(`${++this.doubts}`);
    }
  }
  const events = new Events(new Counter(), { name: "p" }, clock, (fn) => {
    rooted.push("in");
    fn();
    rooted.push("out");
  });
  events.tell("doubted", {});
  events.tell("doubted", {});
  await clock.settle();
  assertEquals(rooted, ["in", "1", "2", "out"]);
});

test("checkObserver() takes callbacks, and objects of a class with whatever fields", () => {
  assertEquals(checkObserver("test", undefined), undefined);
  const observer = { acquired: () => {}, released: undefined };
  assertEquals(checkObserver("test", observer), observer);
  class Own {
    field = 1;
  }
  checkObserver("test", new Own() as PoolObserver);
});

for (
  const [observer, rule] of [
    [1, "observer must be an object of callbacks: received 1"],
    [[], "observer must be an object of callbacks: received an array"],
    [{ acquired: 1 }, "observer.acquired must be a function: received 1"],
    [{ aquired: () => {} }, 'observer has no callback "aquired"'],
  ] as const
) {
  test(`checkObserver() refuses: ${rule}`, () => {
    assertThrows(
      () => checkObserver("test", observer as unknown as PoolObserver),
      TypeError,
      `Cannot test as ${rule}`,
    );
  });
}
