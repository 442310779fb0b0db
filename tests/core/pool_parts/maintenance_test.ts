import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Maintenance } from "../../../src/core/maintenance.ts";
import { Slot } from "../../../src/core/slot.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";

function bench(options: { minIdle?: number; idleTimeoutMs?: number; keepaliveMs?: number } = {}) {
  const { minIdle = 0, idleTimeoutMs = Infinity, keepaliveMs = Infinity } = options;
  const clock = new VirtualClock();
  const bag = new Bag<string>();
  const [life, outage] = [{ isOpen: true }, { on: false }];
  const worn = new Set<Slot<string>>();
  const is = { room: 1 };
  const said: string[] = [];
  const names = new Map<Slot<string>, string>();
  const checks: (() => void)[] = [];
  const maintenance = new Maintenance<string>({
    clock,
    options: { idleTimeoutMs, keepaliveMs, maxLifetimeMs: Infinity },
    sizes: { minIdle },
    life,
    bag,
    trust: { isWorn: (slot) => worn.has(slot) },
    outage,
    room: () => is.room,
    replace: () => said.push("replace"),
    close: (slot, reason = "worn") => {
      said.push(`${reason} ${names.get(slot)}`);
      bag.move(slot, "closing");
    },
    check: (slot) => {
      said.push(`check ${names.get(slot)}`);
      bag.move(slot, "checking");
      return new Promise((resolve) =>
        checks.push(() => {
          slot.idleSince = clock.now();
          bag.restore(slot);
          resolve();
        })
      );
    },
    closed: () => said.push("closed"),
  });
  const keep = (name: string, reader = false) => {
    const slot = new Slot<string>(0, reader);
    bag.add(slot);
    bag.move(slot, "idle");
    slot.idleSince = slot.usedAt = clock.now();
    names.set(slot, name);
    maintenance.kept();
    return slot;
  };
  return { bag, checks, clock, is, keep, life, maintenance, outage, said, worn };
}

test("Maintenance closes what is unused, those first that were used least lately, with one timer that holds nothing", async () => {
  const { bag, clock, keep, said } = bench({ idleTimeoutMs: 100 });
  keep("a");
  await clock.advance(30);
  keep("b");
  assertEquals(clock.timers(), [{ dueMs: 100, referenced: false }]);
  await clock.advance(70);
  assertEquals([said, clock.timers()[0]?.dueMs], [["idle a", "closed"], 130]);
  await clock.advance(30);
  assertEquals([said.slice(2), bag.counts.idle, clock.pending], [["idle b", "closed"], 0, 0]);
});

test("Maintenance looks anew at what was used meanwhile, and sets no timer for each use", async () => {
  const { bag, clock, keep, maintenance, said } = bench({ idleTimeoutMs: 100 });
  const slot = keep("a");
  for (let i = 0; i < 9; i++) {
    await clock.advance(10);
    bag.move(slot, "used");
    bag.move(slot, "idle");
    slot.usedAt = clock.now();
    maintenance.kept();
    assertEquals(clock.timers()[0]?.dueMs, 100);
  }
  await clock.advance(10);
  assertEquals([said, clock.timers()[0]?.dueMs], [["closed"], 190]);
});

test("Maintenance keeps minIdle of the unused, and sleeps while there are no more than those", async () => {
  const { clock, keep, said } = bench({ idleTimeoutMs: 100, minIdle: 2 });
  keep("a");
  keep("b");
  assertEquals(clock.pending, 0);
  await clock.advance(1_000);
  keep("c");
  assertEquals(clock.pending, 1);
  // The first has been unused for long; it was one of the two that are kept until now.
  await clock.advance(0);
  assertEquals(said, []);
  await clock.advance(100);
  assertEquals(said, ["idle a", "closed"]);
  assertEquals(clock.pending, 0);
});

test("Maintenance closes nothing for being unused in an outage, and looks again", async () => {
  const { clock, keep, outage, said } = bench({ idleTimeoutMs: 100 });
  keep("a");
  outage.on = true;
  await clock.advance(20_000);
  assertEquals(said.filter((word) => word !== "closed"), []);
  outage.on = false;
  await clock.advance(10_000);
  assertEquals([said.filter((word) => word !== "closed"), clock.pending], [["idle a"], 0]);
});

test("Maintenance closes what is worn; what is needed is replaced first, if there is room", async () => {
  const { bag, clock, is, keep, said, worn } = bench({ keepaliveMs: 100, minIdle: 1 });
  const slot = keep("a");
  worn.add(slot);
  await clock.advance(100);
  assertEquals(said, ["replace", "check a", "closed"]);
  assertEquals(bag.counts.checking, 1);

  const full = bench({ keepaliveMs: 100, minIdle: 1 });
  full.is.room = 0;
  full.worn.add(full.keep("a"));
  await full.clock.advance(100);
  assertEquals(full.said, ["worn a", "closed"]);

  const more = bench({ keepaliveMs: 100, minIdle: 1 });
  more.worn.add(more.keep("a"));
  more.keep("b");
  await more.clock.advance(100);
  assertEquals(more.said, ["worn a", "check b", "closed"]);
  is.room = 1;
});

test("Maintenance asks one at a time for a sign of life, the quietest first", async () => {
  const { checks, clock, keep, said } = bench({ keepaliveMs: 100 });
  for (const name of ["a", "b", "c"]) keep(name);
  await clock.advance(100);
  assertEquals(said, ["check a", "closed"]);
  await clock.advance(50);
  assertEquals(said.length, 2);
  checks.shift()?.();
  await clock.advance(0);
  assertEquals(said.slice(2), ["check b", "closed"]);
  checks.shift()?.();
  await clock.advance(0);
  checks.shift()?.();
  await clock.advance(0);
  assertEquals(said.slice(4), ["check c", "closed"]);
  assertEquals(clock.timers()[0]?.dueMs, 250);
});

test("Maintenance.slept() makes what is idle older, and looks at it soon; back in time is no sleep", async () => {
  const { clock, keep, maintenance, said } = bench({ idleTimeoutMs: 100 });
  const slot = keep("a");
  maintenance.slept(-500);
  assertEquals([slot.usedAt, maintenance.isUnused(slot)], [0, false]);
  maintenance.slept(500);
  assertEquals([slot.usedAt, slot.idleSince, maintenance.isUnused(slot)], [-500, -500, true]);
  await clock.advance(0);
  assertEquals(said, ["idle a", "closed"]);
});

test("Maintenance does nothing when the pool closes, and leaves no timer", () => {
  const { clock, keep, life, maintenance } = bench({ idleTimeoutMs: 100 });
  keep("a");
  life.isOpen = false;
  maintenance.look();
  assertEquals(clock.pending, 0);
  life.isOpen = true;
  maintenance.look();
  assertEquals(clock.pending, 1);
  maintenance.stop();
  assertEquals(clock.pending, 0);
  keep("b");
  assertEquals(clock.pending, 1);
});

test("Maintenance of which nothing is ever due sets no timer", () => {
  const { clock, keep, maintenance } = bench();
  keep("a");
  maintenance.look();
  assertEquals(clock.pending, 0);
});

test("Maintenance keeps no read-only connection for the stock, nor another in its place", async () => {
  const { bag, clock, keep, said, worn } = bench({ idleTimeoutMs: 100, minIdle: 1 });
  keep("a");
  keep("reader", true);
  assertEquals(clock.pending, 1);
  await clock.advance(100);
  assertEquals([said, bag.idleOf(false), clock.pending], [["idle reader", "closed"], 1, 0]);
  const reader = keep("worn reader", true);
  worn.add(reader);
  await clock.advance(50);
  keep("b");
  await clock.advance(50);
  // The first, unused for longer than the one that stays.
  assertEquals(said.slice(2), ["idle worn reader", "closed"]);
  await clock.advance(50);
  assertEquals([said.slice(4), bag.idleOf(false)], [["idle a", "closed"], 1]);
});
