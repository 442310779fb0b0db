import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import type { ConnectionStatus } from "../../../src/core/driver.ts";
import { PoolLease } from "../../../src/core/lease.ts";
import { LeaseWatch, type Registry } from "../../../src/core/lease_watch.ts";
import { Events } from "../../../src/core/observer.ts";
import type { Slot } from "../../../src/core/slot.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addSlot } from "./slots.ts";

type Held = { readonly lease: WeakKey; readonly collect: () => void };

function bench({ leakAfterMs = Infinity, engine = true } = {}) {
  const clock = new VirtualClock();
  const bag = new Bag<string>();
  const count = { leases: 0 };
  const shares = { nextMs: Infinity };
  const is = { status: "idle" as ConnectionStatus };
  const told: unknown[] = [];
  const looks: number[] = [];
  const registered: Held[] = [];
  const registry = <T>(collected: (held: T) => void): Registry<T> => ({
    register: (lease, held) => registered.push({ lease, collect: () => collected(held) }),
  });
  const events = new Events(
    {
      leaked: ({ heldMs, label }) => told.push(["leaked", heldMs, label]),
      collected: ({ heldMs, label }) => told.push(["collected", heldMs, label]),
    },
    { name: "test" },
    clock,
  );
  const watch = new LeaseWatch<string>({
    clock,
    leakAfterMs,
    driver: { status: () => is.status },
    bag,
    events,
    leases: () => count.leases,
    looked: (now) => looks.push(now),
    shares: { look: () => shares.nextMs },
    forgotten: (slot) => bag.move(slot, "gone"),
    registry: engine ? registry : undefined,
  });
  /** Lends as the pool does. */
  const lend = (label?: string, slot = addSlot(bag, "idle")): Slot<string> => {
    bag.move(slot, "used");
    slot.connection = "c";
    slot.lentAt = clock.now();
    slot.site = label === undefined ? undefined : { label, stack: undefined };
    const lease = new PoolLease<string>({ takeBack: () => {}, discard: () => {} }, slot);
    if (watch.remembers) slot.lease = lease;
    count.leases++;
    if (!watch.isOn) watch.begin();
    return slot;
  };
  return { bag, clock, count, is, lend, looks, registered, shares, told, watch };
}

test("LeaseWatch lets go of a lease within a second, and then rests until another is lent (D-36)", async () => {
  const { clock, lend, looks, registered } = bench();
  const slot = lend();
  const { lease } = slot;
  assertEquals([clock.pending, clock.referenced], [1, 0]);
  await clock.advance(1_000);
  assertEquals([slot.lease, registered.map((one) => one.lease), clock.pending], [
    undefined,
    [lease],
    0,
  ]);
  await clock.advance(10_000);
  lend();
  await clock.advance(10_000);
  assertEquals([looks, registered.length], [[1_000, 12_000], 2]);
});

test("LeaseWatch takes a forgotten lease's connection away, and tells of it (A-27)", async () => {
  const { bag, clock, lend, registered, told } = bench();
  lend("import");
  await clock.advance(5_000);
  registered[0]?.collect();
  await clock.settle();
  assertEquals([told, bag.total], [[["collected", 5_000, "import"]], 0]);
});

test("LeaseWatch does nothing when a lease is collected that was released", async () => {
  const { bag, clock, lend, registered, told } = bench();
  const slot = lend();
  await clock.advance(1_000);
  bag.move(slot, "idle");
  registered[0]?.collect();
  // Lent again, watched again, collected then.
  lend(undefined, slot);
  registered[0]?.collect();
  await clock.advance(1_000);
  registered[0]?.collect();
  await clock.settle();
  assertEquals([slot.state, told], ["used", []]);
  registered[1]?.collect();
  await clock.settle();
  assertEquals([slot.state, told.length], ["gone", 1]);
});

test("LeaseWatch waits for the end of a statement on a forgotten connection", async () => {
  const { clock, is, lend, registered, told } = bench();
  const slot = lend();
  await clock.advance(1_000);
  is.status = "busy";
  registered[0]?.collect();
  await clock.advance(3_000);
  assertEquals([slot.state, told], ["used", []]);
  is.status = "in transaction";
  await clock.advance(1_000);
  assertEquals([slot.state, told], ["gone", [["collected", 5_000, undefined]]]);
  assertEquals(clock.pending, 0);
});

test("LeaseWatch tells of a lease that is held for too long, once (W-14)", async () => {
  const { clock, lend, bag, told } = bench({ leakAfterMs: 2_500 });
  const slot = lend("slow");
  await clock.advance(1_700);
  lend("other");
  await clock.advance(799);
  assertEquals(told, []);
  await clock.advance(1);
  assertEquals(told, [["leaked", 2_500, "slow"]]);
  await clock.advance(100_000);
  assertEquals(told, [["leaked", 2_500, "slow"], ["leaked", 2_500, "other"]]);
  bag.move(slot, "idle");
  lend("again", slot);
  await clock.advance(100_000);
  assertEquals([told.length, clock.pending], [3, 0]);
});

test("LeaseWatch leaves single statements alone that share a connection", async () => {
  const { clock, lend, registered, told, watch } = bench({ leakAfterMs: 100 });
  lend().shares = 2;
  await clock.advance(10_000);
  assertEquals([told, registered, clock.pending], [[], [], 1]);
  watch.stop();
  assertEquals(clock.pending, 0);
});

test("LeaseWatch tells of leaks also where the engine tells of no collected objects", async () => {
  const { clock, lend, told } = bench({ leakAfterMs: 10, engine: false });
  lend();
  await clock.advance(10);
  assertEquals(told, [["leaked", 10, undefined]]);
});

test("LeaseWatch leaves alone what leases share: that one of them is gone says nothing of the others", async () => {
  const { clock, lend, looks, registered, shares, told } = bench({ leakAfterMs: 2_000 });
  const slot = lend();
  shares.nextMs = 300;
  await clock.advance(1_000);
  slot.holders = 1;
  await clock.advance(300);
  shares.nextMs = Infinity;
  await clock.advance(300);
  assertEquals([looks, clock.pending], [[1_000, 1_300, 1_600], 0]);
  for (const { collect } of registered) collect();
  await clock.advance(5_000);
  await Promise.resolve();
  assertEquals([slot.state, told, registered.length], ["used", [], 1]);
  slot.holders = 0;
});

test("LeaseWatch remembers no lease while there are more than any server can serve, and forgets those before", async () => {
  const { bag, clock, count, lend, registered, told, watch } = bench();
  const slot = lend();
  await clock.advance(1_000);
  assertEquals([watch.remembers, registered.length], [true, 1]);
  bag.move(slot, "idle");
  lend(undefined, slot);
  count.leases += 200_000;
  await clock.advance(1_000);
  assertEquals([watch.remembers, slot.lease, registered.length], [false, undefined, 1]);
  bag.move(slot, "idle");
  lend(undefined, slot);
  // The end of one that is over says nothing about the one that is out.
  registered[0]?.collect();
  await clock.advance(1_000);
  assertEquals([slot.state, told, watch.remembers], ["used", [], true]);
});

test("LeaseWatch finds out how fast leases come where there is no turn for its timer", async () => {
  const { clock, count, lend, watch } = bench();
  lend();
  await clock.advance(10);
  count.leases += 16_384;
  watch.pace();
  assertEquals([watch.remembers, watch.isBusy, clock.pending], [false, true, 1]);
});
