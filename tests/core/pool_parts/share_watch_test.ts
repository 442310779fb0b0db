import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import type { ConnectionStatus } from "../../../src/core/driver.ts";
import { PoolLease } from "../../../src/core/lease.ts";
import type { Registry } from "../../../src/core/lease_watch.ts";
import { Events } from "../../../src/core/observer.ts";
import { ShareWatch } from "../../../src/core/share_watch.ts";
import type { Slot } from "../../../src/core/slot.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addSlot } from "./slots.ts";

function bench({ leakAfterMs = Infinity, engine = true } = {}) {
  const clock = new VirtualClock();
  const bag = new Bag<string>();
  const is = { status: "idle" as ConnectionStatus };
  const told: unknown[] = [];
  const woken: number[] = [];
  const registered: { readonly lease: WeakKey; readonly collect: () => void }[] = [];
  const registry = <T>(collected: (held: T) => void): Registry<T> => ({
    register: (lease, held) => registered.push({ lease, collect: () => collected(held) }),
  });
  const watch = new ShareWatch<string>({
    clock,
    leakAfterMs,
    driver: { status: () => is.status },
    events: new Events(
      {
        leaked: ({ heldMs, label }) => told.push(["leaked", heldMs, label]),
        collected: ({ heldMs, label }) => told.push(["collected", heldMs, label]),
      },
      { name: "test" },
      clock,
    ),
    registry: engine ? registry : undefined,
    wake: () => woken.push(clock.now()),
  });
  const home = {
    takeBack: (slot: Slot<string>) => {
      if (slot.state === "used" && --slot.holders === 0) bag.move(slot, "idle");
    },
    discard: () => {},
  };
  const slot = addSlot(bag, "used");
  slot.connection = "c";
  /** Lends as the pool does. */
  const lend = (label?: string): PoolLease<string> => {
    slot.holders++;
    const site = label === undefined ? undefined : { label, stack: undefined };
    const share = watch.begin(slot, site, clock.now(), home);
    return share.lease = new PoolLease<string>(share, slot);
  };
  const look = () => watch.look(clock.now());
  return { bag, clock, is, lend, look, registered, slot, told, watch, woken };
}

test("ShareWatch hands a share to the engine at the next look, once, and lets go of it", () => {
  const { lend, look, registered, watch } = bench();
  const [one, two] = [lend(), lend()];
  assertEquals(watch.size, 2);
  one.release();
  assertEquals([look(), registered.map(({ lease }) => lease)], [Infinity, [two]]);
  assertEquals([look(), registered.length, watch.size], [Infinity, 1, 1]);
  two.release();
  assertEquals(watch.size, 0);
});

test("ShareWatch gives a forgotten share back, tells of it, and leaves the connection to the others (A-27)", async () => {
  const { clock, is, lend, look, registered, slot, told, watch } = bench();
  const other = lend("other");
  await clock.advance(500);
  lend("forgetful");
  look();
  await clock.advance(4_500);
  // Others may always have something in flight.
  is.status = "busy";
  registered[1]?.collect();
  await clock.settle();
  assertEquals([told, slot.state, slot.holders, watch.size], [
    [["collected", 4_500, "forgetful"]],
    "used",
    1,
    1,
  ]);
  registered[1]?.collect();
  other.release();
  registered[0]?.collect();
  await clock.settle();
  assertEquals([told.length, slot.state, watch.size], [1, "idle", 0]);
});

test("ShareWatch gives the last share of a connection back when what is under way on it is over", async () => {
  const { clock, is, lend, look, registered, slot, told, woken } = bench();
  lend("forgetful");
  look();
  is.status = "busy";
  await clock.advance(5);
  registered[0]?.collect();
  assertEquals([woken, look(), slot.holders], [[5], 1_000, 1]);
  is.status = "idle";
  assertEquals([look(), slot.state], [Infinity, "idle"]);
  await clock.settle();
  assertEquals(told, [["collected", 5, "forgetful"]]);
});

test("ShareWatch has nothing to tell of shares of a connection that is lost", async () => {
  const { bag, clock, lend, look, registered, slot, told, watch } = bench({ leakAfterMs: 10 });
  const lease = lend();
  lend();
  look();
  bag.move(slot, "gone");
  await clock.advance(1_000);
  registered[1]?.collect();
  lease.release();
  lend();
  assertEquals([look(), watch.size], [Infinity, 0]);
  await clock.settle();
  assertEquals(told, []);
});

for (const engine of [true, false]) {
  test(`ShareWatch tells of each share that is held for too long, once${engine ? "" : ", also where the engine tells of no collected objects"} (W-14)`, async () => {
    const { clock, lend, look, told } = bench({ leakAfterMs: 2_500, engine });
    lend("slow");
    const quick = lend("quick");
    await clock.advance(1_000);
    lend("other");
    assertEquals(look(), 1_500);
    quick.release();
    await clock.advance(1_500);
    assertEquals(look(), 1_000);
    await clock.advance(1_000);
    assertEquals(look(), Infinity);
    assertEquals(look(), Infinity);
    await clock.settle();
    assertEquals(told, [["leaked", 2_500, "slow"], ["leaked", 2_500, "other"]]);
  });
}
