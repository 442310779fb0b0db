import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Demand } from "../../../src/core/demand.ts";
import type { Lease } from "../../../src/core/lease.ts";
import { Lending } from "../../../src/core/lending.ts";
import { WatchedShare } from "../../../src/core/share_watch.ts";
import type { Slot } from "../../../src/core/slot.ts";
import { Trust } from "../../../src/core/trust.ts";
import { TurnClock } from "../../../src/core/turn_clock.ts";
import { Usage } from "../../../src/core/usage.ts";
import { Waiter } from "../../../src/core/waiter.ts";
import { WaiterQueue } from "../../../src/core/waiter_queue.ts";
import { EXCLUSIVE, FOR_ONE, FOR_STATEMENT, PROMISED } from "../../../src/core/wish.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { must } from "../setup.ts";
import { test } from "../../support/harness.ts";
import { addSlot, SILENT } from "./slots.ts";

function bench(reserved = 0) {
  const clock = new VirtualClock();
  const bag = new Bag<string>();
  const queue = new WaiterQueue<string>(clock, () => {});
  const generations = { doubts: 0 };
  const turn = new TurnClock(clock, () => {});
  const said: string[] = [];
  const left: number[] = [];
  const sizes = { max: 3, minIdle: 0, maxIdle: 3, maxPendingConnects: 3, reserved };
  const suspension = { on: false };
  const usage = new Usage<string>(bag);
  const lending = new Lending<string>({
    sizes,
    countsUses: false,
    life: { isOpen: true },
    suspension,
    bag,
    queue,
    demand: reserved > 0
      ? new Demand({ sizes, suspension, bag, queue, commons: undefined, patience: undefined })
      : undefined,
    kinds: undefined,
    commons: {
      free: 0,
      find: () => undefined,
      ask: () => {},
      joined: () => {},
      left: () => false,
      adopts: () => false,
    },
    mayCome: () => false,
    rate: { served: (waiting) => left.push(waiting) },
    trust: new Trust<string>(turn, generations, { on: false }, {
      checkAfterIdleMs: 1_000,
      idleTimeoutMs: Infinity,
      looksTwice: false,
    }),
    turn,
    multiplexer: undefined,
    home: (lending) => ({ takeBack: (slot) => lending.offer(slot), discard: () => {} }),
    maintenance: {
      kept: () => said.push("kept"),
      look: () => said.push("look"),
      isUnused: () => false,
      closeUnused: () => said.push("close unused"),
    },
    close: (slot) => bag.move(slot, "closing"),
    watch: { isOn: true, isBusy: false, remembers: true, begin: () => {} },
    shares: {
      begin: (slot, site, since, home) => new WatchedShare(slot, site, since, home, () => {}),
    },
    usage,
    events: SILENT,
    low: () => said.push("low"),
    replaceLater: () => said.push("replace"),
    emptied: () => said.push("emptied"),
    wanted: () => said.push("wanted"),
  });
  const idle = (name: string): Slot<string> => {
    const slot = addSlot(bag, "idle");
    slot.connection = name;
    return slot;
  };
  const wait = (lent: (lease: Lease<string>) => void, wish = EXCLUSIVE) =>
    queue.push(new Waiter<string>(lent, () => {}, Infinity, Infinity, wish));
  return { bag, clock, generations, idle, left, lending, queue, said, turn, usage, wait };
}

test("Lending lends what was used last, to nobody while somebody waits", () => {
  const { bag, idle, lending, wait } = bench();
  assertEquals(lending.lendIdle(), undefined);
  idle("first");
  idle("second");
  assertEquals(lending.lendIdle()?.connection, "second");
  assertEquals(lending.lend(FOR_STATEMENT.normal)?.connection, "first");
  assertEquals([bag.counts.used, bag.counts.idle], [2, 0]);
  idle("third");
  wait(() => {});
  assertEquals([lending.lendIdle(), lending.lend(FOR_STATEMENT.normal)], [undefined, undefined]);
});

test("Lending looks below what is in doubt, and no further than what was idle for too long", async () => {
  const { clock, generations, idle, lending } = bench();
  const [below, above] = [idle("below"), idle("above")];
  generations.doubts++;
  assertEquals(lending.takeReady(), undefined);
  below.cleared = 1;
  assertEquals(lending.takeReady(), below);
  lending.offer(below);
  above.cleared = 1;
  await clock.advance(1_001);
  assertEquals([lending.takeReady(), below.state, above.state], [undefined, "idle", "idle"]);
});

test("Lending gives what is ready to who waits longest, else keeps it", () => {
  const { bag, idle, lending, said, wait } = bench();
  idle("one");
  const slot = must(lending.takeReady());
  const served: string[] = [];
  wait(() => served.push("first"));
  wait(() => served.push("second"));
  lending.offer(slot);
  assertEquals([served, bag.counts.used, said], [["first"], 1, []]);
  lending.offer(slot);
  assertEquals([served, said], [["first", "second"], ["emptied"]]);
  lending.offer(slot);
  assertEquals([slot.state, bag.top], ["idle", slot]);
});

test("Lending passes on to who waits for a promise, to others, or to nobody, and knows how long each had it and waited", async () => {
  const { bag, clock, idle, lending, queue, said, turn, usage, wait } = bench();
  idle("one");
  const slot = must(lending.takeReady());
  const served: string[] = [];
  wait(() => served.push("promised"), PROMISED);
  wait(() => served.push("called back"));
  wait(() => served.push("high"), FOR_ONE.high);
  wait(() => served.push("promised, too"), PROMISED);
  await clock.advance(3);
  for (let left = 4; left > 0; left--) {
    lending.passOn(slot, turn.now());
    assertEquals([queue.size, bag.counts.used], [left - 1, 1]);
  }
  assertEquals([served, said], [["high", "promised", "called back", "promised, too"], ["emptied"]]);
  lending.passOn(slot, turn.now());
  assertEquals([slot.state, slot.uses, slot.idleSince, bag.top], ["idle", 4, 3, slot]);
  assertEquals(must(lending.lendIdle()).connection, "one");
  const { acquires, waits, releases, waitMs, useMs } = usage.stats();
  assertEquals({ acquires, waits, releases }, { acquires: 5, waits: 4, releases: 4 });
  assertEquals([waitMs.count, waitMs.sum, useMs.count, useMs.sum], [5, 12, 5, 3]);
});

test("Lending serves in one loop who gives back in the very callback", () => {
  const { bag, idle, lending, queue, wait } = bench();
  idle("one");
  const slot = must(lending.takeReady());
  let deepest = 0;
  let depth = 0;
  for (let count = 0; count < 10_000; count++) {
    wait((lease) => {
      deepest = Math.max(deepest, ++depth);
      assertEquals(lending.mayServe, false);
      lease.release();
      depth--;
    });
  }
  lending.offer(slot);
  assertEquals([deepest, queue.size, bag.counts.idle, lending.mayServe], [1, 0, 1, true]);
});

test("Lending keeps what is in doubt, and says that it is wanted", () => {
  const { generations, idle, lending, queue, said, wait } = bench();
  idle("one");
  const slot = must(lending.takeReady());
  generations.doubts++;
  lending.welcome(slot);
  assertEquals([slot.state, said], ["idle", ["kept"]]);
  wait(() => {});
  lending.welcome(slot);
  assertEquals([slot.state, queue.size, said], ["idle", 1, ["kept", "kept", "wanted"]]);
});

test("Lending lends past who waits to who goes before, and to nobody past those", () => {
  const { idle, lending, wait } = bench(1);
  idle("one");
  wait(() => {});
  assertEquals(lending.lend(EXCLUSIVE), undefined);
  assertEquals(lending.lend(FOR_ONE.high)?.connection, "one");
  idle("two");
  wait(() => {}, FOR_ONE.high);
  assertEquals(lending.lend(FOR_ONE.high), undefined);
});

test("Lending keeps what is reserved, idle or given back", () => {
  const { bag, idle, lending, queue, wait } = bench(1);
  for (const name of ["one", "two", "three"]) idle(name);
  const normal = [lending.lendIdle(), lending.lendIdle()];
  assertEquals([lending.lendIdle(), lending.lend(EXCLUSIVE), bag.counts.idle], [
    undefined,
    undefined,
    1,
  ]);
  const high = must(lending.lend(FOR_ONE.high));
  assertEquals([bag.usedHigh, bag.counts.used], [1, 3]);
  const served: string[] = [];
  wait(({ connection }) => served.push(connection));
  high.release();
  assertEquals([served, bag.counts.idle, bag.usedHigh], [[], 1, 0]);
  normal[0]?.release();
  assertEquals([served, queue.size, bag.counts.idle], [["three"], 0, 1]);
});

test("Lending says whenever somebody who waited is served", () => {
  const { idle, left, lending, wait } = bench();
  idle("one");
  const slot = must(lending.takeReady());
  for (let i = 0; i < 3; i++) wait((lease) => lease.release());
  lending.offer(slot);
  assertEquals(left, [2, 1, 0]);
});
