import { assertEquals, assertStrictEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Readiness } from "../../../src/core/readiness.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { watch } from "../setup.ts";
import { test } from "../../support/harness.ts";
import { addSlot } from "./slots.ts";

function bench(minIdle = 0) {
  const clock = new VirtualClock();
  const bag = new Bag<string>();
  let emptied = 0;
  const readiness = new Readiness<string>({
    clock,
    sizes: { minIdle },
    bag,
    isLendable: ({ generation }) => generation === 0,
    timeoutError: (timeoutMs) => new Error(`late after ${timeoutMs}`),
    emptied: () => emptied++,
  });
  const open = (state: "idle" | "used" | "connecting" | "closing", generation = 0) => {
    const slot = addSlot(bag, state, generation);
    slot.connection = "connection";
    return slot;
  };
  return { bag, clock, open, readiness, emptied: () => emptied };
}

test("Readiness counts what is open and may be lent; what is coming only to know what to open", async () => {
  const { bag, clock, open, readiness, emptied } = bench(3);
  assertEquals([readiness.isShort, readiness.isWaited], [false, false]);
  const ready = watch(readiness.wait(Infinity, undefined));
  open("used");
  open("idle");
  open("idle", 7);
  open("idle").retiring = true;
  open("closing");
  const coming = addSlot(bag, "connecting");
  readiness.changed();
  await clock.settle();
  assertEquals([ready.state, readiness.isShort, readiness.isWaited], ["pending", false, true]);
  coming.connection = "open by now";
  readiness.changed();
  await clock.settle();
  assertEquals([ready.state, readiness.isWaited, emptied()], ["fulfilled", false, 1]);
});

test("Readiness is resolved at once where all is there", async () => {
  const { open, readiness, emptied } = bench();
  open("used");
  await readiness.wait(10, undefined);
  assertEquals(emptied(), 1);
});

test("Readiness rejects at the deadline, by the signal, and by refusal, and forgets who waited", async () => {
  const { clock, readiness, emptied } = bench();
  const abort = new AbortController();
  const [late, aborted, refused, never] = [
    watch(readiness.wait(50, undefined)),
    watch(readiness.wait(Infinity, abort.signal)),
    watch(readiness.wait(0, undefined)),
    watch(readiness.wait(Infinity, undefined)),
  ];
  readiness.refuse((timeoutMs) => timeoutMs === 0, () => new Error("refused"));
  abort.abort("reason");
  await clock.advance(50);
  assertEquals((late.error as Error).message, "late after 50");
  assertStrictEquals(aborted.error, "reason");
  assertEquals((refused.error as Error).message, "refused");
  assertEquals([never.state, emptied(), clock.pending], ["pending", 0, 0]);
  readiness.refuse(() => true, () => new Error("closed"));
  await clock.settle();
  assertEquals([never.state, emptied()], ["rejected", 1]);
});
