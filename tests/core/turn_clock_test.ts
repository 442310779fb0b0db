import { assertEquals } from "@std/assert";
import type { Clock } from "../../src/core/clock.ts";
import { TurnClock } from "../../src/core/turn_clock.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

/** A clock that counts how often it is read, and what stands on it. */
function bench() {
  const clock = new VirtualClock({ startMs: 5 });
  const seen = { readings: 0, gaps: 0 };
  const counted: Clock = {
    now: () => (seen.readings++, clock.now()),
    wallNow: () => clock.wallNow(),
    random: () => clock.random(),
    schedule: (delayMs, fn) => clock.schedule(delayMs, fn),
  };
  const turn = new TurnClock(counted, () => seen.gaps++);
  seen.readings = 0;
  return { clock, seen, turn };
}

test("TurnClock reads its clock once in a turn", async () => {
  const { clock, seen, turn } = bench();
  for (let i = 0; i < 100; i++) assertEquals([turn.now(), turn.wallNow()], [5, clock.wallNow()]);
  assertEquals(seen.readings, 1);
  await clock.advance(7);
  assertEquals([turn.now(), turn.wallNow(), seen.readings], [12, clock.wallNow(), 2]);
});

test("TurnClock reads it for wall time, too", async () => {
  const { clock, turn } = bench();
  const before = turn.wallNow();
  await clock.advance(7);
  assertEquals(turn.wallNow() - before, 7);
});

test("TurnClock keeps a reading as long as the microtask queue uses it every few turns, but not for long", async () => {
  const { seen, turn } = bench();
  for (let i = 0; i < 5_120; i++) {
    turn.now();
    await undefined;
  }
  assertEquals(seen.readings >= 10 && seen.readings <= 12, true, `${seen.readings} readings`);
  // A borrower asks when it is lent a connection and when it gives it back, a turn or two later.
  const before = seen.readings;
  for (let i = 0; i < 100; i++) {
    turn.now();
    await undefined;
    await undefined;
  }
  assertEquals(seen.readings <= before + 1, true, `${seen.readings - before} readings`);
});

test("TurnClock counts no turns where the queue is not left for long; the event loop that goes on ends the reading", async () => {
  const { clock, seen, turn } = bench();
  for (let i = 0; i < 200; i++) {
    turn.now();
    await undefined;
  }
  assertEquals([clock.pending, clock.referenced], [1, 0]);
  const before = seen.readings;
  await clock.settle();
  turn.now();
  assertEquals(seen.readings, before);
  await clock.advance(0);
  turn.now();
  assertEquals([seen.readings, clock.pending], [before + 1, 0]);
});

test("TurnClock leaves no timer when it is stopped, and can go on", async () => {
  const { clock, seen, turn } = bench();
  for (let i = 0; i < 200; i++) {
    turn.now();
    await undefined;
  }
  turn.stop();
  assertEquals(clock.pending, 0);
  const before = seen.readings;
  turn.now();
  turn.now();
  assertEquals(seen.readings, before + 1);
});

test("TurnClock gives a reading up that nobody has asked for in some turns", async () => {
  const { seen, turn } = bench();
  turn.now();
  const before = seen.readings;
  for (let i = 0; i < 8; i++) await undefined;
  turn.now();
  assertEquals(seen.readings, before + 1);
});

test("TurnClock tells of a gap between wall time and monotonic time: the machine slept", async () => {
  const { clock, seen, turn } = bench();
  await clock.advance(60_000);
  turn.now();
  assertEquals(seen.gaps, 0);
  await clock.settle();
  clock.shiftWall(999);
  turn.now();
  assertEquals(seen.gaps, 0);
  await clock.settle();
  clock.shiftWall(1_000);
  turn.now();
  assertEquals(seen.gaps, 1);
  await clock.settle();
  turn.now();
  assertEquals(seen.gaps, 1);
  await clock.settle();
  clock.shiftWall(-3_600_000);
  turn.wallNow();
  assertEquals(seen.gaps, 2);
});

test("TurnClock passes on chance and timers", async () => {
  const { clock, turn } = bench();
  const other = new VirtualClock();
  assertEquals(turn.random(), other.random());
  let fired = false;
  turn.schedule(10, () => fired = true);
  await clock.advance(10);
  assertEquals(fired, true);
});
