import { assertEquals } from "@std/assert";
import { Bag } from "../../src/core/bag.ts";
import { PoolLease } from "../../src/core/lease.ts";
import { ObservedHome } from "../../src/core/observed_home.ts";
import { Events } from "../../src/core/observer.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { addSlot } from "./pool_parts/slots.ts";

test("ObservedHome tells how long each lease was held, once, before it is taken back or given up", async () => {
  const clock = new VirtualClock({ startMs: 10 });
  const told: unknown[] = [];
  const events = new Events(
    { released: ({ at, heldMs, label }) => void told.push([at, heldMs, label]) },
    { name: "p" },
    clock,
  );
  const done: string[] = [];
  const home = new ObservedHome<string>({
    takeBack: () => done.push("taken back"),
    discard: () => done.push("given up"),
  }, events);
  const slot = addSlot(new Bag<string>(), "used");
  slot.lentAt = 10;
  slot.site = { label: "import", stack: undefined };
  const leases = [new PoolLease(home, slot), new PoolLease(home, slot)] as const;
  await clock.advance(5);
  for (let i = 0; i < 2; i++) leases[0].release();
  await clock.advance(1);
  slot.site = undefined;
  for (let i = 0; i < 2; i++) leases[1].destroy();
  await clock.settle();
  assertEquals(told, [[15, 5, "import"], [16, 6, undefined]]);
  assertEquals(done, ["taken back", "given up"]);
});
