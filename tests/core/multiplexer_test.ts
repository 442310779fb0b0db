import { assertEquals } from "@std/assert";
import { Bag } from "../../src/core/bag.ts";
import { Multiplexer } from "../../src/core/multiplexer.ts";
import type { Driver } from "../../src/core/driver.ts";
import type { Slot } from "../../src/core/slot.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { addSlot } from "./pool_parts/slots.ts";

test("Multiplexer sends no more than a hundred behind each other for thousands of statements after a slow one", async () => {
  const clock = new VirtualClock({ turns: 1 });
  const driver = { canPipeline: () => true } as unknown as Driver<string>;
  const multiplexer = new Multiplexer<string>(driver, clock, { max: 10, maxPipeline: 256 });
  const bag = new Bag<string>();
  const used = (): Slot<string> => {
    const slot = addSlot(bag, "used");
    slot.connection = "c";
    return slot;
  };
  const [first, second, stuck, long] = [used(), used(), used(), used()];
  const short = (count: number) => {
    for (let i = 0; i < count; i++) {
      const slot = i % 2 === 0 ? first : second;
      multiplexer.joined(slot, 0);
      multiplexer.left(slot, 0);
    }
  };
  const takes = (shares: number) => {
    for (let i = 0; i < shares; i++) multiplexer.joined(long, 0);
    const answer = multiplexer.takes(long, { alone: false, waiting: 100_000 });
    multiplexer.forget(long, shares);
    return answer;
  };
  // Short statements in no time: they share.
  short(5_000);
  assertEquals([takes(150), takes(255), takes(256)], [true, true, false]);
  multiplexer.joined(stuck, 0);
  await clock.advance(200);
  short(200);
  // Beside another one, which tells that it is not this process that is slow.
  multiplexer.joined(long, 0);
  multiplexer.left(stuck, 0);
  multiplexer.forget(long, 1);
  short(6_000);
  assertEquals([takes(50), takes(150)], [true, false]);
});

test("Multiplexer takes no statement for slow whose connection is not served for a while by chance", async () => {
  const clock = new VirtualClock({ turns: 1 });
  const driver = { canPipeline: () => true } as unknown as Driver<string>;
  const multiplexer = new Multiplexer<string>(driver, clock, { max: 10, maxPipeline: 256 });
  const bag = new Bag<string>();
  const slots = Array.from({ length: 10 }, () => {
    const slot = addSlot(bag, "used");
    slot.connection = "c";
    multiplexer.joined(slot, 0);
    return slot;
  });
  // One of ten answers at a time, whichever: what each has in hand takes 3 ms, or 15 by chance.
  let seed = 1;
  for (let i = 0; i < 3_000; i++) {
    seed = seed * 48_271 % 0x7fffffff;
    const slot = slots[seed % slots.length];
    if (slot === undefined) throw new RangeError();
    await clock.advance(0.3);
    multiplexer.joined(slot, 0);
    multiplexer.left(slot, 0);
  }
  for (const slot of slots.slice(2)) multiplexer.forget(slot, 1);
  const [first, second] = slots;
  if (first === undefined || second === undefined) throw new RangeError();
  // What comes then is answered in no time, and shares.
  for (let i = 0; i < 20_000; i++) {
    const slot = i % 2 === 0 ? first : second;
    multiplexer.joined(slot, 0);
    multiplexer.left(slot, 0);
  }
  for (let i = 0; i < 100; i++) multiplexer.joined(first, 0);
  assertEquals(multiplexer.takes(first, { alone: false, waiting: 100_000 }), true);
});

test("Multiplexer does not count how long who waits has waited while nothing was sent", async () => {
  const clock = new VirtualClock({ turns: 1 });
  const driver = { canPipeline: () => true } as unknown as Driver<string>;
  const multiplexer = new Multiplexer<string>(driver, clock, { max: 10, maxPipeline: 256 });
  const bag = new Bag<string>();
  const slot = addSlot(bag, "used");
  slot.connection = "c";
  const shares = () => multiplexer.takes(slot, { alone: false, waiting: 990 });
  const rush = async (statements: number) => {
    multiplexer.joined(slot, 990);
    for (let i = 0; i < statements; i++) {
      multiplexer.joined(slot, 990);
      // On few connections they are served sooner.
      await clock.advance(shares() ? 0.3 : 1);
      multiplexer.left(slot, 990);
    }
    const found = shares();
    multiplexer.left(slot, 0);
    return found;
  };
  // It ends amid the first trial.
  await rush(200);
  // As when all connections have to be asked for a sign of life first, or opened.
  await clock.advance(2_000);
  assertEquals(await rush(300), true);
});
