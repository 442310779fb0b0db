import { assertEquals } from "@std/assert";
import { WireTap } from "../../../src/driver/postgres/wire_tap.ts";
import { concat, errorResponse, message, ready, welcome } from "./messages.ts";
import { test } from "../../support/harness.ts";

const STARTUP = message("", 196_608, "user", "app", Uint8Array.of(0));
const SYNC = message("S");

/** One that has seen the start-up. */
function started(): WireTap {
  const tap = new WireTap();
  tap.outgoing(STARTUP);
  tap.incoming(welcome());
  return tap;
}

test("WireTap knows nothing before the first message", () => {
  const tap = new WireTap();
  assertEquals([tap.transaction, tap.pid, tap.secret.length], [undefined, 0, 0]);
  assertEquals([tap.inHotStandby, tap.fatal, tap.awaiting], [undefined, undefined, false]);
});

test("WireTap waits for the answer to the start-up", () => {
  const tap = new WireTap();
  tap.outgoing(STARTUP);
  assertEquals([tap.awaiting, tap.syncsSent], [true, 1]);
  tap.incoming(welcome());
  assertEquals([tap.awaiting, tap.transaction], [false, "idle"]);
});

test("WireTap reads process id and secret, however long that is", () => {
  for (const length of [4, 32]) {
    const secret = Uint8Array.from({ length }, (_, index) => index + 200);
    const tap = new WireTap();
    // In the middle of other memory, and cut.
    const bytes = concat(Uint8Array.of(9, 9, 9), welcome(1_234_567, secret));
    tap.incoming(bytes.subarray(3, 60));
    tap.incoming(bytes.subarray(60));
    assertEquals([tap.pid, tap.secret], [1_234_567, secret]);
    // It is a copy: the memory that it came in may be used again.
    bytes.fill(0);
    assertEquals(tap.secret, secret);
  }
});

test("WireTap reads the state of the transaction from each ReadyForQuery", () => {
  const tap = started();
  const seen = (["I", "T", "E", "I"] as const).map((state) => {
    tap.incoming(ready(state));
    return tap.transaction;
  });
  assertEquals(seen, ["idle", "in transaction", "failed", "idle"]);
  tap.incoming(message("Z", Uint8Array.of(0x3f)));
  assertEquals(tap.transaction, undefined);
});

test("WireTap reads in_hot_standby whenever it is reported", () => {
  const tap = new WireTap();
  tap.incoming(message("S", "TimeZone", "on"));
  assertEquals(tap.inHotStandby, undefined);
  tap.incoming(message("S", "in_hot_standby", "on"));
  assertEquals(tap.inHotStandby, true);
  tap.incoming(message("S", "in_hot_standby", "off"));
  assertEquals(tap.inHotStandby, false);
});

test("WireTap counts what executes, and what is answered by a ReadyForQuery", () => {
  const tap = started();
  const counts = (): number[] => [tap.executesSent, tap.syncsSent - 1, tap.syncsAnswered - 1];
  tap.outgoing(concat(message("P", "", "select 1"), message("D", "S"), message("H")));
  assertEquals([counts(), tap.awaiting], [[0, 0, 0], false]);
  tap.outgoing(concat(message("B", "", ""), message("E", "", 0), SYNC));
  assertEquals([counts(), tap.awaiting], [[1, 1, 0], true]);
  tap.outgoing(message("Q", "select 2"));
  assertEquals([counts(), tap.awaiting], [[2, 2, 0], true]);
  tap.incoming(ready());
  assertEquals([counts(), tap.awaiting], [[2, 2, 1], true]);
  tap.incoming(ready());
  assertEquals([counts(), tap.awaiting], [[2, 2, 2], false]);
  // Of a COPY, and the farewell.
  tap.outgoing(concat(message("d", "row"), message("c"), message("f", "no"), message("X")));
  assertEquals(counts(), [2, 2, 2]);
});

test("WireTap takes a client's first message for the start-up, whatever its bytes are", () => {
  const tap = new WireTap();
  // Length 81: the first byte that could be a type says Query.
  tap.outgoing(message("", 196_608, "user", "x".repeat(67), Uint8Array.of(0)));
  tap.outgoing(message("p", "password"));
  assertEquals([tap.executesSent, tap.syncsSent], [0, 1]);
});

test("WireTap keeps the fatal error, and no other", () => {
  const tap = started();
  tap.incoming(errorResponse("ERROR", "22012", "division by zero"));
  assertEquals(tap.fatal, undefined);
  tap.incoming(message("N", "SFATAL", "VFATAL", "C57P01", "Mjust a notice", Uint8Array.of(0)));
  assertEquals(tap.fatal, undefined);
  tap.incoming(errorResponse("FATAL", "57P01", "terminating connection"));
  assertEquals([tap.fatal?.code, tap.fatal?.message], ["57P01", "terminating connection"]);
  const other = started();
  other.incoming(errorResponse("PANIC", "XX000", "oh"));
  assertEquals(other.fatal?.code, "XX000");
});

test("WireTap reads the severity that is not translated, where there is one", () => {
  const translated = started();
  translated.incoming(message("E", "SFATAL", "VERROR", "C22012", "M", Uint8Array.of(0)));
  assertEquals(translated.fatal, undefined);
  const old = started();
  old.incoming(message("E", "SFATAL", "C57P01", "Mold", Uint8Array.of(0)));
  assertEquals(old.fatal?.code, "57P01");
});

test("WireTap knows whether rows are left of a command that did not complete", () => {
  const tap = started();
  const row = message("D", Uint8Array.of(0, 0));
  tap.incoming(concat(row, row));
  assertEquals(tap.rowsLeft, true);
  tap.incoming(errorResponse("ERROR", "22012", "division by zero"));
  tap.incoming(ready());
  assertEquals([tap.rowsLeft, tap.rowsCut], [false, true]);
  tap.incoming(row);
  assertEquals([tap.rowsLeft, tap.rowsCut], [true, true]);
  tap.incoming(concat(row, message("C", "SELECT 1")));
  assertEquals([tap.rowsLeft, tap.rowsCut, tap.commandsCompleted], [false, false, 1]);
});

test("WireTap knows whether more of a COPY is to come", () => {
  const tap = started();
  const begin = message("H", Uint8Array.of(0, 0, 0));
  tap.incoming(concat(begin, message("d", "row")));
  assertEquals(tap.copyingOut, true);
  tap.incoming(message("c"));
  assertEquals(tap.copyingOut, false);
  tap.incoming(concat(begin, errorResponse("ERROR", "22012", "division by zero"), ready()));
  assertEquals(tap.copyingOut, false);
});
