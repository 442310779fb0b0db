import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Duplex } from "../../../src/driver/postgres/duplex.ts";
import { WireTap } from "../../../src/driver/postgres/wire_tap.ts";
import { FakeSocket } from "./fake_socket.ts";
import { message, ready, welcome } from "./messages.ts";
import { test } from "../../support/harness.ts";

interface Bench {
  readonly socket: FakeSocket;
  readonly tap: WireTap;
  readonly duplex: Duplex;
  /** Names of the events that came, in order. */
  readonly events: string[];
}

function bench(): Bench {
  const socket = new FakeSocket();
  const tap = new WireTap();
  const events: string[] = [];
  const duplex = new Duplex(socket, tap, {
    wrote: () => events.push("wrote"),
    leaving: (bytes) => bytes,
  });
  return { socket, tap, duplex, events };
}

test("Duplex.received() hands the very bytes on, as a Buffer without a copy", () => {
  const { duplex } = bench();
  const seen: unknown[] = [];
  duplex.on("data", (bytes) => seen.push(bytes));
  const memory = Uint8Array.of(0, ...ready(), 0);
  duplex.received(memory.subarray(1, -1));
  const [bytes] = seen;
  assertInstanceOf(bytes, Buffer);
  assertEquals([...bytes], [...ready()]);
  memory[1] = 0x45;
  assertEquals(bytes[0], 0x45);
});

test("Duplex.write() shows the bytes to the tap, then sends them, then tells", () => {
  const { duplex, socket, tap, events } = bench();
  duplex.write(message("", 196_608, "user", "app", Uint8Array.of(0)));
  const bytes = message("Q", "select 1");
  assertEquals(duplex.write(bytes), true);
  assertEquals([tap.executesSent, tap.syncsSent], [1, 2]);
  assertStrictEquals(socket.written[1], bytes);
  assertEquals(events, ["wrote", "wrote"]);
});

test("Duplex.write() answers the first empty query by itself, a turn later, and sends every other", async () => {
  const { duplex, socket, tap } = bench();
  const seen: string[] = [];
  duplex.on("data", (bytes) => seen.push(String(bytes)));
  duplex.write(message("", 196_608, "user", "app", Uint8Array.of(0)));
  assertEquals(duplex.write(message("Q", "")), true);
  assertEquals([socket.written.length, seen.length], [1, 0]);
  await Promise.resolve();
  assertEquals(seen, ["I\0\0\0\x04Z\0\0\0\x05I"]);
  assertEquals([tap.executesSent, tap.syncsSent, tap.syncsAnswered], [0, 1, 0]);
  duplex.write(message("Q", ""));
  await Promise.resolve();
  assertEquals([socket.written.length, seen.length, tap.syncsSent], [2, 1, 2]);
});

test("Duplex.write() tells that there is no room, and calls back when there is", async () => {
  const { duplex, socket } = bench();
  const log: string[] = [];
  duplex.write(message("", 196_608), () => log.push("room"));
  assertEquals(log, []);
  await Promise.resolve();
  assertEquals(log, ["room"]);
  socket.room = false;
  assertEquals(duplex.write(message("d", "1"), () => log.push("first")), false);
  assertEquals(duplex.write(message("d", "2"), () => log.push("second")), false);
  await Promise.resolve();
  assertEquals(log, ["room"]);
  duplex.drained();
  assertEquals(log, ["room", "first", "second"]);
  duplex.drained();
  assertEquals(log.length, 3);
});

test("Duplex.drained() takes callbacks that write again", () => {
  const { duplex, socket } = bench();
  const log: number[] = [];
  socket.room = false;
  const writeNext = (n: number): void => {
    duplex.write(message("d", n), () => {
      log.push(n);
      if (n < 3) writeNext(n + 1);
    });
  };
  writeNext(1);
  for (const seen of [[1], [1, 2], [1, 2, 3], [1, 2, 3]]) {
    duplex.drained();
    assertEquals(log, seen);
  }
});

test("Duplex goes on reading when the last piece of a COPY has come, whoever paused it", () => {
  const { duplex, socket, tap } = bench();
  duplex.on("data", () => duplex.pause());
  const take = (bytes: Uint8Array): void => {
    tap.incoming(bytes);
    duplex.received(bytes);
  };
  take(welcome());
  socket.calls.length = 0;
  take(message("H", Uint8Array.of(0, 0, 0)));
  take(message("d", "row"));
  assertEquals(socket.calls, ["pause", "pause"]);
  take(message("c"));
  assertEquals(socket.calls, ["pause", "pause", "pause", "resume"]);
});

test("Duplex.pause() and resume() are the socket's", () => {
  const { duplex, socket } = bench();
  duplex.pause();
  duplex.resume();
  duplex.destroy();
  assertEquals(socket.calls, ["pause", "resume", "destroy"]);
});

test("Duplex.end() sends the farewell, then closes", () => {
  const { duplex, socket } = bench();
  duplex.end(message("X"));
  assertEquals([socket.written.length, socket.calls], [1, ["close"]]);
});

test("Duplex.gone() tells the error once, and nothing is sent after it", () => {
  const { duplex, socket } = bench();
  const log: unknown[] = [];
  duplex.on("error", (error) => log.push(error));
  duplex.on("close", () => log.push("close"));
  const error = new Error("gone");
  assertEquals(duplex.readyState, "open");
  duplex.gone(error);
  duplex.gone(new Error("again"));
  assertEquals([log, duplex.readyState], [[error], "closed"]);
  assertEquals(duplex.write(message("X"), () => log.push("written")), false);
  duplex.drained();
  assertEquals([socket.written, log], [[], [error]]);
});

test("Duplex.gone() without an error leaves porsager unsettled", () => {
  const { duplex } = bench();
  const log: unknown[] = [];
  duplex.on("error", (error) => log.push(error));
  duplex.gone(undefined);
  assertEquals([log, duplex.readyState], [[], "closed"]);
});

test("Duplex listens as Node's emitters do, as far as porsager uses them", () => {
  const { duplex } = bench();
  const log: string[] = [];
  const data = (): unknown => log.push("data");
  const error = (): unknown => log.push("error");
  assertStrictEquals(duplex.on("data", data).once("error", error), duplex);
  duplex.received(ready());
  duplex.removeListener("data", data);
  duplex.received(ready());
  assertEquals(log, ["data"]);
  duplex.on("data", data).removeAllListeners();
  duplex.received(ready());
  duplex.gone(new Error("gone"));
  assert(!log.includes("error"));
  const other = bench().duplex;
  other.once("error", error);
  other.gone(new Error("gone"));
  assertEquals(log, ["data", "error"]);
});
