import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

test("VirtualClock.now() stands still until advance()", async () => {
  const clock = new VirtualClock({ startMs: 100 });
  assertEquals(clock.now(), 100);
  await clock.settle();
  assertEquals(clock.now(), 100);
  await clock.advance(2.5);
  assertEquals(clock.now(), 102.5);
});

test("VirtualClock.wallNow() goes along with now(), apart from shiftWall()", async () => {
  const clock = new VirtualClock({ startMs: 5, wallStartMs: 1_000 });
  assertEquals(clock.wallNow(), 1_000);
  await clock.advance(10);
  assertEquals(clock.wallNow(), 1_010);
  clock.shiftWall(500);
  assertEquals([clock.now(), clock.wallNow()], [15, 1_510]);
  clock.shiftWall(-700);
  assertEquals([clock.now(), clock.wallNow()], [15, 810]);
});

test("VirtualClock.random() is seeded, or replaced", () => {
  const draw = (clock: VirtualClock): number[] => [clock.random(), clock.random()];
  assertEquals(draw(new VirtualClock({ seed: 3 })), draw(new VirtualClock({ seed: 3 })));
  assertEquals(draw(new VirtualClock({ random: () => 0.5 })), [0.5, 0.5]);
});

test("VirtualClock.advance() fires what is due in order, each at its own time", async () => {
  const clock = new VirtualClock();
  const fired: [string, number][] = [];
  const fire = (name: string) => () => fired.push([name, clock.now()]);
  clock.schedule(30, fire("c"));
  clock.schedule(10, fire("a"));
  clock.schedule(20, fire("b1"));
  clock.schedule(20, fire("b2"));
  clock.schedule(-5, fire("at once"));
  clock.schedule(31, fire("too late"));
  assertEquals(fired, []);
  await clock.advance(30);
  assertEquals(fired, [["at once", 0], ["a", 10], ["b1", 20], ["b2", 20], ["c", 30]]);
  assertEquals(clock.pending, 1);
});

test("VirtualClock.advance() fires what is set on the way", async () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  const again = (): void => {
    fired.push(clock.now());
    clock.schedule(10, again);
  };
  clock.schedule(10, again);
  await clock.advance(35);
  assertEquals(fired, [10, 20, 30]);
  assertEquals(clock.now(), 35);
});

test("VirtualClock.advance() lets promises settle before, between and after", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const later = (delayMs: number): Promise<void> =>
    new Promise((resolve) => void clock.schedule(delayMs, resolve));
  void (async () => {
    await undefined;
    await later(10);
    seen.push(`first at ${clock.now()}`);
    await later(10);
    seen.push(`second at ${clock.now()}`);
  })();
  clock.schedule(15, () => seen.push(`between at ${clock.now()}`));
  await clock.advance(20);
  assertEquals(seen, ["first at 10", "between at 15", "second at 20"]);
});

test("VirtualClock.advance() refuses time that does not pass, and to be called twice", async () => {
  const clock = new VirtualClock();
  for (const ms of [-1, NaN, Infinity]) {
    await assertRejects(() => clock.advance(ms), RangeError, `received ${ms}`);
  }
  const first = clock.advance(1);
  await assertRejects(() => clock.advance(1), Error, "being advanced");
  await first;
  await clock.advance(1);
  assertEquals(clock.now(), 2);
});

test("VirtualClock.advance() goes on after a callback that threw", async () => {
  const clock = new VirtualClock();
  clock.schedule(1, () => {
    throw new Error("thrown by a callback");
  });
  await assertRejects(() => clock.advance(5), Error, "thrown by a callback");
  await clock.advance(5);
  assertEquals([clock.now(), clock.pending], [6, 0]);
});

test("VirtualClock.schedule() takes delays of any length", async () => {
  const clock = new VirtualClock();
  let fired = false;
  const month = 30 * 24 * 3_600_000;
  clock.schedule(month, () => fired = true);
  clock.schedule(Infinity, () => fired = false);
  await clock.advance(month - 1);
  assertStrictEquals(fired, false);
  await clock.advance(1);
  assertStrictEquals(fired, true);
  assertEquals(clock.timers(), [{ dueMs: Infinity, referenced: true }]);
});

test("VirtualClock.schedule() gives a timer that can be cancelled, also twice and too late", async () => {
  const clock = new VirtualClock();
  let fired = 0;
  const first = clock.schedule(10, () => fired++);
  const second = clock.schedule(10, () => fired++);
  const third = clock.schedule(10, () => {
    fired++;
    fourth.cancel();
  });
  const fourth = clock.schedule(10, () => fired++);
  first.cancel();
  first.cancel();
  await clock.advance(10);
  assertEquals(fired, 2);
  second.cancel();
  third.cancel();
  assertEquals(clock.pending, 0);
});

test("VirtualClock.timers() and referenced show who keeps the process alive", () => {
  const clock = new VirtualClock();
  const first = clock.schedule(20, () => {});
  const second = clock.schedule(10, () => {});
  assertEquals([clock.pending, clock.referenced], [2, 2]);
  second.unref();
  second.unref();
  assertEquals([clock.pending, clock.referenced], [2, 1]);
  assertEquals(clock.timers(), [
    { dueMs: 10, referenced: false },
    { dueMs: 20, referenced: true },
  ]);
  first.unref();
  second.ref();
  assertEquals(clock.timers().map(({ referenced }) => referenced), [true, false]);
});

test("VirtualClock.settle() waits as many turns as it is told", async () => {
  const clock = new VirtualClock({ turns: 3 });
  const done: number[] = [];
  const chain = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await undefined;
    done.push(turns);
  };
  void chain(3);
  void chain(6);
  await clock.settle();
  assertEquals(done, [3]);
  await clock.settle(10);
  assertEquals(done, [3, 6]);
});
