import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/core/clock.ts";
import { test } from "../support/harness.ts";

interface FakeTimeout {
  readonly delayMs: number;
  readonly fire: () => void;
  refs: string[];
  cleared: boolean;
}

/** Replaces the platform's timers while `fn` runs. */
function withFakeTimeouts(fn: (set: FakeTimeout[]) => void): void {
  const set: FakeTimeout[] = [];
  const { setTimeout, clearTimeout } = globalThis;
  const fakes = {
    setTimeout: (fire: () => void, delayMs: number) => {
      const timeout: FakeTimeout = { delayMs, fire, refs: [], cleared: false };
      set.push(timeout);
      return Object.assign(timeout, {
        ref: () => timeout.refs.push("ref"),
        unref: () => timeout.refs.push("unref"),
      });
    },
    clearTimeout: (timeout: FakeTimeout) => timeout.cleared = true,
  };
  Object.assign(globalThis, fakes);
  try {
    fn(set);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}

test("systemClock.now() is monotonic, wallNow() is the date, random() is from 0 to 1", () => {
  const before = systemClock.now();
  assert(systemClock.now() >= before);
  assert(Math.abs(systemClock.wallNow() - Date.now()) < 60_000);
  for (let i = 0; i < 100; i++) {
    const number = systemClock.random();
    assert(number >= 0 && number < 1);
  }
});

test("systemClock.schedule() fires once", async () => {
  await new Promise<void>((resolve) => void systemClock.schedule(1, resolve));
});

test("systemClock.schedule() takes a delay of 2^31 - 1 ms in one piece", () => {
  withFakeTimeouts((set) => {
    let fired = 0;
    systemClock.schedule(2 ** 31 - 1, () => fired++);
    assertEquals(set.map(({ delayMs }) => delayMs), [2 ** 31 - 1]);
    set[0]?.fire();
    assertEquals([fired, set.length], [1, 1]);
  });
});

test("systemClock.schedule() waits for a delay beyond 2^31 ms in pieces", () => {
  withFakeTimeouts((set) => {
    let fired = 0;
    const month = 30 * 24 * 3_600_000;
    systemClock.schedule(month * 2, () => fired++);
    for (let piece = 0; piece < set.length; piece++) {
      assertEquals(fired, 0);
      set[piece]?.fire();
    }
    assertEquals(fired, 1);
    assert(set.every(({ delayMs }) => delayMs <= 2 ** 31 - 1), "no piece fires at once");
    assertEquals(set.reduce((sum, { delayMs }) => sum + delayMs, 0), month * 2);
  });
});

test("systemClock.schedule() never fires after an infinite delay", () => {
  withFakeTimeouts((set) => {
    let fired = 0;
    const timer = systemClock.schedule(Infinity, () => fired++);
    for (let piece = 0; piece < 5; piece++) set[piece]?.fire();
    assertEquals([fired, set.length], [0, 6]);
    timer.cancel();
    assertEquals(set[5]?.cleared, true);
  });
});

test("Timer.cancel() cancels in any piece, and does nothing twice or after firing", () => {
  withFakeTimeouts((set) => {
    const long = systemClock.schedule(2 ** 32, () => {});
    set[0]?.fire();
    long.cancel();
    long.cancel();
    assertEquals(set.map(({ cleared }) => cleared), [false, true]);
    const short = systemClock.schedule(1, () => {});
    set[2]?.fire();
    short.cancel();
    assertEquals(set[2]?.cleared, false);
  });
});

test("Timer.unref() and ref() hold over all pieces", () => {
  withFakeTimeouts((set) => {
    const timer = systemClock.schedule(2 ** 33, () => {});
    timer.unref();
    set[0]?.fire();
    assertEquals(set.map(({ refs }) => refs), [["unref"], ["unref"]]);
    timer.ref();
    set[1]?.fire();
    assertEquals(set.map(({ refs }) => refs), [["unref"], ["unref", "ref"], []]);
    timer.cancel();
    timer.ref();
    timer.unref();
  });
});

test("Timer is born holding the process, on platforms with and without ref()", () => {
  withFakeTimeouts((set) => {
    systemClock.schedule(1, () => {});
    assertEquals(set[0]?.refs, []);
    Object.assign(globalThis, { setTimeout: () => 7, clearTimeout: () => {} });
    const bare = systemClock.schedule(1, () => {});
    bare.unref();
    bare.ref();
    bare.cancel();
  });
});
