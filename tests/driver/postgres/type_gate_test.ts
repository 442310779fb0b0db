import { assertEquals, assertRejects } from "@std/assert";
import { TypeGate } from "../../../src/driver/postgres/type_gate.ts";
import { test } from "../../support/harness.ts";

/** Openings that a test settles by hand. */
class Openings {
  readonly log: string[] = [];
  readonly #pending = new Map<string, PromiseWithResolvers<string>>();

  open(name: string): (learn: boolean) => Promise<string> {
    return (learn) => {
      this.log.push(`${name} ${learn ? "learns" : "opens"}`);
      const opening = Promise.withResolvers<string>();
      this.#pending.set(name, opening);
      return opening.promise;
    };
  }

  fulfil(name: string): void {
    this.#pending.get(name)?.resolve(name);
  }

  fail(name: string): void {
    this.#pending.get(name)?.reject(new Error(name));
  }
}

/** Lets everything run that only waits for promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test("TypeGate.enter() lets one learn, and all others wait for it", async () => {
  const gate = new TypeGate();
  const openings = new Openings();
  const all = ["a", "b", "c"].map((name) => gate.enter(openings.open(name)));
  await settle();
  assertEquals(openings.log, ["a learns"]);
  openings.fulfil("a");
  await settle();
  assertEquals(openings.log, ["a learns", "b opens", "c opens"]);
  openings.fulfil("c");
  openings.fulfil("b");
  assertEquals(await Promise.all(all), ["a", "b", "c"]);
  const late = gate.enter(openings.open("d"));
  assertEquals(openings.log.at(-1), "d opens");
  openings.fulfil("d");
  assertEquals(await late, "d");
});

test("TypeGate.enter() lets the next one learn if the one that should fails", async () => {
  const gate = new TypeGate();
  const openings = new Openings();
  const first = gate.enter(openings.open("a"));
  const second = gate.enter(openings.open("b"));
  const third = gate.enter(openings.open("c"));
  openings.fail("a");
  await assertRejects(() => first, Error, "a");
  await settle();
  assertEquals(openings.log, ["a learns", "b learns"]);
  openings.fulfil("b");
  await settle();
  openings.fulfil("c");
  assertEquals(await Promise.all([second, third]), ["b", "c"]);
  assertEquals(openings.log, ["a learns", "b learns", "c opens"]);
});

test("TypeGate.enter() does not open what was aborted while it waited", async () => {
  const gate = new TypeGate();
  const openings = new Openings();
  const first = gate.enter(openings.open("a"));
  const abort = new AbortController();
  const second = gate.enter(openings.open("b"), abort.signal);
  const rejected = assertRejects(() => second, Error, "enough");
  abort.abort(new Error("enough"));
  openings.fail("a");
  await assertRejects(() => first, Error, "a");
  await rejected;
  assertEquals(openings.log, ["a learns"]);
});

test("TypeGate.forget() makes the next one learn anew", async () => {
  const gate = new TypeGate();
  const openings = new Openings();
  for (const name of ["a", "b", "c"]) {
    const entered = gate.enter(openings.open(name));
    openings.fulfil(name);
    await entered;
    if (name === "b") gate.forget();
  }
  assertEquals(openings.log, ["a learns", "b opens", "c learns"]);
});

test("TypeGate.forget() counts what is being learnt for nothing", async () => {
  const gate = new TypeGate();
  const openings = new Openings();
  const first = gate.enter(openings.open("a"));
  const second = gate.enter(openings.open("b"));
  gate.forget();
  openings.fulfil("a");
  await first;
  await settle();
  assertEquals(openings.log, ["a learns", "b learns"]);
  openings.fulfil("b");
  assertEquals(await second, "b");
});
