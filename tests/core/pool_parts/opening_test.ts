import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Opening } from "../../../src/core/opening.ts";
import { Outage } from "../../../src/core/outage.ts";
import { Removal } from "../../../src/core/removal.ts";
import { SlowStart } from "../../../src/core/slow_start.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { SILENT, UNMEASURED } from "./slots.ts";

function bench() {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const bag = new Bag<FakeConnection>();
  const queue = { size: 0 };
  const life = { isOpen: true };
  const said: string[] = [];
  const sizes = { max: 4, maxPendingConnects: 4 };
  const stock = { isLow: false, mayTry: () => true };
  const readiness = { isShort: false };
  const outage = new Outage(clock, 10_000, () => opening.grow(), SILENT);
  const slowStart = new SlowStart(sizes);
  const removal = new Removal<FakeConnection>({
    clock,
    bag,
    shared: undefined,
    usage: UNMEASURED,
    commons: { forget: () => {} },
    events: SILENT,
    freed: () => {},
  });
  const opening = new Opening<FakeConnection>({
    driver,
    options: {
      connectTimeoutMs: 1_000,
      session: undefined,
      maxUses: Infinity,
      maxLifetimeMs: Infinity,
    },
    clock,
    root: undefined,
    sizes,
    life,
    bag,
    demand: {
      get count() {
        return queue.size;
      },
      get next() {
        return queue.size > bag.coming(false) ? false : undefined;
      },
    },
    stock,
    readiness,
    generations: { current: 7 },
    outage,
    slowStart,
    removal,
    usage: UNMEASURED,
    events: SILENT,
    home: {
      opened: (slot) => {
        said.push(`opened ${slot.steady?.epoch}`);
        bag.move(slot, "used");
      },
      rejected: () => said.push("rejected"),
      failed: (slot) => said.push(`failed ${slot.state}`),
      lost: (slot) => {
        said.push("lost");
        removal.drop(slot);
      },
      freed: () => said.push("freed"),
    },
  });
  return {
    bag,
    clock,
    driver,
    life,
    opening,
    outage,
    queue,
    readiness,
    removal,
    said,
    sizes,
    slowStart,
    stock,
  };
}

test("Opening opens as many as wait and no more than allowed, numbered one by one", async () => {
  const { bag, clock, opening, queue, removal, said } = bench();
  opening.grow();
  assertEquals(bag.total, 0);
  queue.size = 3;
  opening.grow();
  opening.grow();
  assertEquals([bag.total, bag.counts.connecting], [3, 3]);
  queue.size = 100;
  opening.grow();
  assertEquals(bag.total, 4);
  await clock.settle();
  assertEquals(said, ["opened 1", "opened 2", "opened 3", "opened 4"]);
  assertEquals([...bag.slots()].map(({ generation }) => generation), [7, 7, 7, 7]);
  removal.destroyAll();
});

test("Opening opens one at a time while the server cannot be had, few when it is back", async () => {
  const { bag, clock, driver, opening, outage, queue, removal, said, slowStart } = bench();
  queue.size = 10;
  driver.refuse("connect", 4);
  opening.grow();
  await clock.settle();
  assertEquals([bag.total, outage.on, said.length], [0, true, 8]);
  assertEquals(said.slice(0, 2), ["failed gone", "freed"]);
  driver.hold("connect");
  opening.grow();
  await clock.advance(100);
  opening.grow();
  assertEquals(bag.counts.connecting, 1);
  for (const call of driver.held("connect")) call.answer();
  await clock.settle();
  assertEquals([outage.on, slowStart.limit, said.at(-1)], [false, 2, "opened 1"]);
  opening.grow();
  assertEquals(bag.counts.connecting, 2);
  removal.destroyAll();
});

test("Opening tells a server that refuses for good from one that cannot be had", async () => {
  const { clock, driver, opening, outage, queue, said } = bench();
  queue.size = 1;
  driver.rejectCredentials();
  opening.grow();
  await clock.settle();
  assertEquals([said, outage.on], [["rejected", "freed"], false]);
});

test("Opening says nothing of a failure when the pool closes, but that a place is free", async () => {
  const { clock, driver, life, opening, outage, queue, said } = bench();
  queue.size = 1;
  driver.refuse("connect", 1);
  opening.grow();
  life.isOpen = false;
  opening.grow();
  await clock.settle();
  assertEquals([said, outage.on], [["freed"], false]);
});

test("Opening hands on that an open connection is lost", async () => {
  const { bag, clock, driver, opening, queue, said } = bench();
  queue.size = 1;
  opening.grow();
  await clock.settle();
  for (const connection of driver.connections) driver.terminate(connection);
  await clock.settle();
  assertEquals([said, bag.total], [["opened 1", "lost"], 0]);
});

test("Opening.replaceLater() tries only in an outage, when it may and nobody does", async () => {
  const { bag, clock, driver, opening, outage, removal } = bench();
  opening.replaceLater(false);
  assertEquals(bag.total, 0);
  outage.failed(new Error("down"));
  opening.replaceLater(false);
  assertEquals(bag.total, 0);
  await clock.advance(100);
  driver.hold("connect");
  opening.replaceLater(false);
  opening.replaceLater(false);
  assertEquals(bag.counts.connecting, 1);
  removal.destroyAll();
});

test("Opening opens what is wanted in stock as far as its pace allows, and for who waits for the pool to be ready", async () => {
  const { bag, clock, opening, outage, readiness, removal, stock } = bench();
  stock.isLow = true;
  stock.mayTry = () => false;
  opening.grow();
  assertEquals(bag.total, 0);
  stock.mayTry = () => bag.total < 2;
  opening.grow();
  assertEquals(bag.total, 2);
  readiness.isShort = true;
  stock.isLow = false;
  opening.grow();
  assertEquals(bag.total, 4);
  removal.destroyAll();
  outage.failed(new Error("down"));
  await clock.settle();
  opening.grow();
  assertEquals(clock.referenced, 1);
  readiness.isShort = false;
  stock.isLow = true;
  opening.grow();
  assertEquals(clock.referenced, 0);
  outage.stopWaiting();
});

test("Opening counts what is being given up against the connects that may be under way", async () => {
  const { bag, clock, driver, opening, queue, removal, sizes } = bench();
  sizes.maxPendingConnects = 2;
  driver.hold("connect");
  queue.size = 10;
  opening.grow();
  assertEquals([bag.total, opening.room], [2, 0]);
  removal.destroyAll();
  opening.grow();
  assertEquals([bag.total, opening.room], [0, 0]);
  await clock.settle();
  assertEquals(opening.room, 2);
  opening.grow();
  assertEquals(bag.total, 2);
  removal.destroyAll();
});
