import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import type { ConnectionStatus, ResetLevel } from "../../../src/core/driver.ts";
import { Returning } from "../../../src/core/returning.ts";
import type { Slot } from "../../../src/core/slot.ts";
import { Trust } from "../../../src/core/trust.ts";
import { TurnClock } from "../../../src/core/turn_clock.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addOpenSlot, SILENT, UNMEASURED } from "./slots.ts";

type FakeSlot = Slot<FakeConnection>;

async function bench(reset: ResetLevel = "rollback") {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const is = { status: "idle" as ConnectionStatus, lendable: true, shared: false };
  const statusOf = driver.status.bind(driver);
  driver.status = (connection) => is.status === "idle" ? statusOf(connection) : is.status;
  const bag = new Bag<FakeConnection>();
  const generations = { doubts: 0 };
  const said: string[] = [];
  const say = (word: string) => (_slot?: FakeSlot) => void said.push(word);
  const trust = new Trust<FakeConnection>(
    new TurnClock(clock, () => {}),
    generations,
    { on: false },
    { checkAfterIdleMs: 1_000, idleTimeoutMs: Infinity, looksTwice: false },
  );
  const returning = new Returning<FakeConnection>({
    driver,
    options: { reset, session: undefined, connectTimeoutMs: 1_000, clock },
    clock,
    bag,
    trust,
    generations,
    removal: { close: say("close"), destroy: say("destroy") },
    lending: {
      offer: say("offer"),
      passOn: (slot, now) => void said.push(`pass on ${now - slot.lentAt}`),
      welcome: say("welcome"),
      leftToOthers: () => is.shared,
      leftToHolders: () => true,
      isStillAsked: () => false,
    },
    usage: UNMEASURED,
    events: SILENT,
    isLendable: () => is.lendable,
    answered: (_slot, doubts) => void said.push(`answered ${doubts}`),
    left: () => {},
    replaceLater: () => void said.push("replace"),
  });
  const slot = await addOpenSlot(bag, "used", driver, clock);
  return { bag, clock, driver, generations, is, returning, said, slot };
}

test("Returning welcomes a clean connection, and passes it on at once when it was seen of late", async () => {
  const { generations, returning, said, slot } = await bench();
  returning.takeBack(slot);
  returning.takeBack(slot);
  assertEquals(said, ["welcome", "pass on 0"]);
  generations.doubts++;
  returning.takeBack(slot);
  assertEquals(said.slice(2), ["welcome"]);
  slot.steady?.destroy();
});

test("Returning destroys what is in doubt, closes what is not to be lent again", async () => {
  const { is, returning, said, slot } = await bench();
  for (const status of ["busy", "unknown"] as const) {
    is.status = status;
    returning.takeBack(slot);
  }
  is.status = "idle";
  is.lendable = false;
  returning.takeBack(slot);
  assertEquals(said, ["destroy", "destroy", "close"]);
  slot.steady?.destroy();
});

test("Returning takes nothing that is gone, nor what others share", async () => {
  const { bag, is, returning, said, slot } = await bench();
  slot.shares = 2;
  is.shared = true;
  returning.takeBack(slot);
  slot.shares = 0;
  bag.move(slot, "gone");
  returning.takeBack(slot);
  returning.discard(slot);
  assertEquals(said, []);
  slot.steady?.destroy();
});

test("Returning cleans off the borrower's path; what cannot be cleaned is destroyed", async () => {
  const { bag, clock, driver, generations, returning, said, slot } = await bench("session");
  returning.takeBack(slot);
  generations.doubts++;
  assertEquals([slot.state, said], ["resetting", []]);
  await clock.settle();
  assertEquals([slot.cleaning, said], [undefined, ["answered 0"]]);
  bag.move(slot, "used");
  driver.refuse("reset", 1);
  returning.takeBack(slot);
  await clock.settle();
  assertEquals(said, ["answered 0", "destroy"]);
  slot.steady?.destroy();
});

test("Returning says nothing of what was lost in the cleaning", async () => {
  const { bag, clock, returning, said, slot } = await bench("discard");
  returning.takeBack(slot);
  bag.move(slot, "gone");
  slot.steady?.destroy();
  await clock.settle();
  assertEquals(said, []);
});

test("Returning.discard() destroys what is lent", async () => {
  const { returning, said, slot } = await bench();
  returning.discard(slot);
  assertEquals(said, ["destroy"]);
  slot.steady?.destroy();
});
