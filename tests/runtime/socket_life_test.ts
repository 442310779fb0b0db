import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { SocketLife } from "../../src/runtime/socket_life.ts";
import { test } from "../support/harness.ts";
import { Recorder, turns } from "./recorder.ts";

/** A life, its receiver, and why it was abandoned. */
function start(): { life: SocketLife; recorder: Recorder; abandoned: unknown[] } {
  const abandoned: unknown[] = [];
  const life = new SocketLife((error) => abandoned.push(error));
  const recorder = new Recorder();
  life.receive(recorder);
  return { life, recorder, abandoned };
}

test("SocketLife goes through its phases once", async () => {
  const { life, recorder } = start();
  assertEquals(life.phase, "opening");
  assertEquals(life.closing(), false);
  assertEquals(life.open(), true);
  assertEquals(life.open(), false);
  await life.opened;
  assertEquals(life.phase, "open");
  assertEquals(life.closing(), true);
  assertEquals(life.closing(), false);
  assertEquals([life.phase, life.over], ["closing", false]);
  assertEquals(life.end(undefined), true);
  assertEquals(life.end(new Error("too late")), false);
  assertEquals([life.phase, life.over], ["ended", true]);
  assertEquals(recorder.events, []);
  life.gone();
  life.gone();
  await life.closed;
  assertEquals([life.phase, life.over], ["gone", true]);
  assertEquals(recorder.events, ["close"]);
  assertEquals(recorder.error, undefined);
});

test("SocketLife keeps the first cause", () => {
  const { life, recorder } = start();
  const first = new Error("first");
  life.open();
  life.end(first);
  life.end(new Error("second"));
  life.gone();
  assertStrictEquals(recorder.error, first);
});

test("SocketLife rejects `opened` with the reason, and wraps what is no error for the receiver", async () => {
  const { life, recorder } = start();
  life.end("a reason");
  life.gone();
  assertEquals(await life.opened.catch((reason: unknown) => reason), "a reason");
  assertEquals(recorder.error?.cause, "a reason");
});

test("SocketLife rejects `opened` when it is gone without a reason", async () => {
  const { life, recorder } = start();
  life.gone();
  await assertRejects(() => life.opened, Error, "closed before it opened");
  assertEquals(recorder.error, undefined);
});

test("SocketLife tells bytes and room only while it is open", () => {
  const { life, recorder } = start();
  const tell = (): void => {
    life.data(new Uint8Array(1));
    life.drain();
  };
  tell();
  assertEquals(recorder.events, []);
  life.open();
  tell();
  assertEquals(recorder.events, ["data", "drain"]);
  life.closing();
  tell();
  life.end(undefined);
  tell();
  life.gone();
  tell();
  assertEquals(recorder.events, ["data", "drain", "close"]);
});

test("SocketLife abandons the socket when a handler throws", () => {
  const { life, abandoned } = start();
  const mistake = new Error("a mistake");
  const fail = (): never => {
    throw mistake;
  };
  life.open();
  life.receive({ data: fail, drain: fail, close() {} });
  life.data(new Uint8Array(1));
  life.drain();
  assertEquals(abandoned, [mistake, mistake]);
});

test("SocketLife hands the stream over without a word to its receiver", async () => {
  const { life, recorder } = start();
  life.open();
  life.handOver();
  await life.closed;
  life.data(new Uint8Array(1));
  life.end(new Error("of the successor"));
  life.gone();
  await turns();
  assertEquals([life.phase, life.over], ["gone", true]);
  assertEquals(recorder.events, []);
});

test("SocketLife watches a signal until it is open or over", () => {
  for (const end of ["open", "end"] as const) {
    const { life, abandoned } = start();
    const controller = new AbortController();
    life.watch(controller.signal);
    if (end === "open") life.open();
    else life.end(undefined);
    controller.abort("too late");
    assertEquals(abandoned, []);
  }
  const { life, abandoned } = start();
  life.watch(AbortSignal.abort("before"));
  assertEquals(abandoned, ["before"]);
  const controller = new AbortController();
  life.watch(controller.signal);
  controller.abort("in time");
  assertEquals(abandoned, ["before", "in time"]);
  life.open();
  life.watch(AbortSignal.abort("open already"));
  assertEquals(abandoned.length, 2);
});
