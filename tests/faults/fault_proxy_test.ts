import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { message, ready } from "../driver/postgres/messages.ts";
import { type Peer, withServer } from "../runtime/test_server.ts";
import { bounded as test } from "./bounded.ts";
import type { ProxiedConnection } from "./proxied_connection.ts";
import { dial, Pair, STARTUP } from "./pair.ts";
import { after, completing, isCommit, isCommitted, nth, ofType, stating } from "./wire_message.ts";

const COMMITTED = message("C", "COMMIT");

/** Two texts that are the same bytes. */
function assertBytes(actual: Uint8Array, ...expected: Uint8Array[]): void {
  assertEquals(Buffer.from(actual).toString("latin1"), Buffer.concat(expected).toString("latin1"));
}

function only(pair: Pair): ProxiedConnection {
  const [connection, more] = pair.proxy.open;
  assert(connection !== undefined && more === undefined);
  return connection;
}

/** How the other side of a socket has ended it. */
async function fateOf(peer: Peer): Promise<string> {
  await peer.closedOrEnded();
  if (peer.stream.destroyed) await peer.closed;
  return (peer.error as { code?: string } | undefined)?.code ?? "ended";
}

test("FaultProxy hands everything on, notes it, and knows its connections", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  const statement = await pair.say(client, "select 1");
  assertBytes(await server.take(statement.length), statement);
  await server.write(ready());
  assertBytes(await client.take(ready().length), ready());
  const { proxy } = pair;
  assertEquals(proxy.statements, ["select 1"]);
  assertEquals(proxy.messages.map(({ from, type }) => `${from} ${type}`), [
    "client startup",
    ...["R", "S", "S", "K", "Z"].map((type) => `server ${type}`),
    "client Q",
    "server Z",
  ]);
  assertEquals([proxy.connections, proxy.open.length, only(pair).pid], [1, 1, 1001]);
  const { closed } = only(pair);
  client.stream.end();
  await server.rest();
  server.stream.end();
  await client.rest();
  await closed;
  assertEquals([proxy.connections, proxy.open.length], [1, 0]);
});

test("FaultProxy hands on a message that comes byte by byte", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  const bytes = message("Q", "select 'in pieces'");
  for (const byte of bytes) await client.write(Uint8Array.of(byte));
  assertBytes(await server.take(bytes.length), bytes);
});

test("FaultProxy leaves TLS alone once both sides agreed on it", async () => {
  await using pair = await Pair.start();
  await withServer(async (tls) => {
    pair.proxy.retarget(`postgres://u@127.0.0.1:${tls.port}/d`);
    const client = await pair.dial();
    const request = message("", 80877103);
    await client.write(request);
    const server = await tls.accept();
    assertBytes(await server.take(request.length), request);
    await server.write("S");
    await client.take(1);
    // What would be a message of 16 MB.
    const secret = Uint8Array.of(0x51, 1, 0, 0, 0, 7);
    await client.write(secret);
    assertBytes(await server.take(secret.length), secret);
    await server.write(secret);
    assertBytes(await client.take(secret.length), secret);
    await pair.proxy[Symbol.asyncDispose]();
  });
});

test("FaultProxy goes on without TLS when the server has none", async () => {
  await using pair = await Pair.start();
  await withServer(async (plain) => {
    pair.proxy.retarget(`postgres://u@127.0.0.1:${plain.port}/d`);
    const client = await pair.dial();
    await client.write(message("", 80877103));
    const server = await plain.accept();
    await server.take(8);
    await server.write("N");
    await client.take(1);
    await client.write(STARTUP);
    assertBytes(await server.take(STARTUP.length), STARTUP);
    await server.write(ready());
    await client.take(ready().length);
    assertEquals(pair.proxy.messages.map(({ type }) => type), ["ssl", "ssl", "startup", "Z"]);
    await pair.proxy[Symbol.asyncDispose]();
  });
});

test("FaultProxy.refuse() refuses new connections, and accept() takes them on the same port", async () => {
  await using pair = await Pair.start();
  const { proxy } = pair;
  const { client, server } = await pair.open();
  for (let round = 0; round < 3; round++) {
    proxy.refuse();
    proxy.refuse();
    await assertRejects(() => dial(proxy.port), Error, "ECONNREFUSED");
    const statement = await pair.say(client, "select 'still there'");
    assertBytes(await server.take(statement.length), statement);
    await proxy.accept();
    await proxy.accept();
    await pair.open();
  }
  assertEquals([proxy.connections, proxy.open.length], [4, 4]);
});

test("FaultProxy.ignore() leaves new connections without any answer, until accept()", async () => {
  await using pair = await Pair.start();
  const { proxy } = pair;
  const { client, server } = await pair.open();
  await proxy.ignore();
  await proxy.ignore();
  let answered = false;
  const waiting = pair.dial().then((client) => {
    answered = true;
    return client;
  });
  const statement = await pair.say(client, "select 'still there'");
  await server.take(statement.length);
  assertEquals(answered, false);
  await proxy.accept();
  // The system asks again by itself.
  await (await waiting).write(STARTUP);
  await proxy.next(ofType("client", "startup"));
  assertEquals(proxy.connections, 2);
});

test("FaultProxy that is ignoring when it ends leaves nothing behind", async () => {
  await using pair = await Pair.start();
  await pair.proxy.ignore();
});

test(`FaultProxy.arrivals: "reset" resets new connections, and counts them`, async () => {
  await using pair = await Pair.start();
  const { proxy } = pair;
  proxy.arrivals = "reset";
  for (let count = 1; count <= 2; count++) {
    // Some systems tell of the reset before the connection was seen to be there.
    const fate = await pair.dial().then(fateOf, (error) => error.code);
    assertEquals([fate, proxy.turnedAway], ["ECONNRESET", count]);
  }
  proxy.heal();
  await pair.open();
  assertEquals([proxy.connections, proxy.turnedAway], [1, 2]);
});

test(`FaultProxy.arrivals: "silence" takes new connections, and never says a word`, async () => {
  await using pair = await Pair.start();
  pair.proxy.arrivals = "silence";
  const client = await pair.dial();
  await client.write(STARTUP);
  pair.proxy.heal();
  await pair.open();
  assertEquals([client.received.length, client.ended, pair.proxy.turnedAway], [0, false, 1]);
  pair.proxy.cut();
  await client.closedOrEnded();
});

test("FaultProxy.arrivals: { fatal } answers the startup message with that error", async () => {
  await using pair = await Pair.start();
  pair.proxy.arrivals = { fatal: "57P03" };
  const client = await pair.dial();
  await client.write(message("", 80877103));
  assertEquals((await client.take(1)).toString(), "N");
  await client.write(STARTUP);
  const answer = (await client.rest()).toString();
  assertEquals([answer[0], answer.includes("SFATAL\0"), answer.includes("C57P03\0")], [
    "E",
    true,
    true,
  ]);
  assertEquals([pair.proxy.turnedAway, pair.proxy.connections], [1, 0]);
});

test("ProxiedConnection.blackhole() swallows one way and leaves the other and the sockets alone", async () => {
  for (const from of ["client", "server"] as const) {
    await using pair = await Pair.start();
    const ends = await pair.open();
    const deaf = from === "client" ? ends.server : ends.client;
    const speaker = ends[from];
    pair.proxy.inflict((connection) => connection.blackhole(from));
    await speaker.write(message("Q", "unheard"));
    await pair.proxy.next(ofType(from, "Q"));
    await deaf.write(ready());
    assertBytes(await speaker.take(ready().length), ready());
    // Not even its end is heard of.
    speaker.stream.end();
    await deaf.write(ready());
    await speaker.take(ready().length);
    assertEquals([deaf.received.length, deaf.ended, pair.proxy.open.length], [0, false, 1]);
  }
});

test("ProxiedConnection.blackhole() both ways outlasts the end of one side", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  only(pair).blackhole();
  client.stream.destroy();
  await client.closed;
  await server.write(ready());
  await pair.proxy.next(ofType("server", "Z"));
  assertEquals([server.ended, pair.proxy.open.length], [false, 1]);
  pair.proxy.cut();
  await server.closedOrEnded();
});

test("FaultProxy.inflict() befalls those that are open, those to come, or both", async () => {
  for (const scope of ["open", "new", "all"] as const) {
    await using pair = await Pair.start();
    await pair.open();
    const befallen: number[] = [];
    pair.proxy.inflict(({ number }) => befallen.push(number), scope);
    await pair.open();
    pair.proxy.heal();
    await pair.open();
    assertEquals(befallen, { open: [1], new: [2], all: [1, 2] }[scope]);
  }
});

test("ProxiedConnection.hold() keeps back what comes, and release() hands it on in order", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  only(pair).hold("client");
  const first = await pair.say(client, "select 1");
  const second = message("Q", "select 2");
  await client.write(second);
  await server.write(ready());
  await client.take(ready().length);
  assertEquals(server.received.length, 0);
  only(pair).release();
  assertBytes(await server.take(first.length + second.length), first, second);
});

test("ProxiedConnection.delay() hands everything on later, in order, also when it is changed", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  only(pair).delay(60, "client");
  const first = await pair.say(client, "select 1");
  // The other way is as fast as before: this answer comes before its question.
  await server.write(ready());
  await client.take(ready().length);
  assertEquals(server.received.length, 0);
  only(pair).delay(0);
  const second = await pair.say(client, "select 2");
  client.stream.end();
  assertBytes(await server.rest(), first, second);
});

test("ProxiedConnection.halfClose() ends one way; the other goes on", async () => {
  for (const to of ["client", "server"] as const) {
    await using pair = await Pair.start();
    const ends = await pair.open();
    only(pair).halfClose(to);
    await ends[to].rest();
    await ends[to].write(message("Q", "still heard"));
    const other = ends[to === "client" ? "server" : "client"];
    assertBytes(await other.take(17), message("Q", "still heard"));
    assertEquals(other.ended, false);
  }
});

test("ProxiedConnection.reset() resets both sides; cut() closes them", async () => {
  for (const how of ["reset", "cut"] as const) {
    await using pair = await Pair.start();
    const { client, server } = await pair.open();
    const { closed } = only(pair);
    only(pair)[how]();
    const fate = how === "reset" ? "ECONNRESET" : "ended";
    assertEquals([await fateOf(client), await fateOf(server)], [fate, fate]);
    await closed;
    assertEquals(pair.proxy.open.length, 0);
  }
});

test("A reset of one side ends the other", async () => {
  for (const side of ["client", "server"] as const) {
    await using pair = await Pair.start();
    const ends = await pair.open();
    const { closed } = only(pair);
    ends[side].stream.resetAndDestroy();
    await ends[side === "client" ? "server" : "client"].closedOrEnded();
    await closed;
  }
});

test("FaultProxy.strike() cuts after byte n of message k, and hands on all that came before", async () => {
  for (const pass of [0, 1, 7, Infinity]) {
    await using pair = await Pair.start();
    const { client, server } = await pair.open();
    const struck = pair.proxy.strike(nth(3, ofType("server", "D")), { pass, then: "cut" });
    const rows = [1, 2, 3, 4].map((n) => message("D", `row ${n}`));
    for (const row of rows) await server.write(row);
    const { connection } = await struck;
    assertEquals(connection, 1);
    const [first, second, third] = rows;
    assert(first && second && third);
    assertBytes(await client.rest(), first, second, third.subarray(0, pass));
    await server.closedOrEnded();
  }
});

test("FaultProxy.strike() resets after a message", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  pair.proxy.strike(ofType("server", "D"), { pass: Infinity, then: "reset" });
  await server.write(message("D", "row"));
  assertEquals(await fateOf(client), "ECONNRESET");
});

test("FaultProxy.strike() half-closes and blackholes at a message, and only once", async () => {
  await using pair = await Pair.start();
  const first = await pair.open();
  const second = await pair.open();
  pair.proxy.strike(ofType("server", "Z"), "half-close");
  await first.server.write(ready());
  await first.client.rest();
  const still = await pair.say(first.client, "select 0");
  await first.server.take(still.length);
  await second.server.write(ready());
  await second.client.take(ready().length);
  pair.proxy.strike(stating("select 2"), "blackhole");
  const statement = await pair.say(second.client, "select 1");
  await second.server.take(statement.length);
  await pair.say(second.client, "select 2");
  await pair.say(second.client, "select 3");
  await second.server.write(ready());
  await second.client.take(ready().length);
  assertEquals(second.server.received.length, 0);
});

test("The reply to COMMIT can be dropped: the server has surely committed", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  const dropped = pair.proxy.strike(isCommitted, "cut");
  const commit = await pair.say(client, "commit");
  assertBytes(await server.take(commit.length), commit);
  await server.write(message("C", "INSERT 0 1"));
  await server.write(COMMITTED);
  await dropped;
  assertBytes(await client.rest(), message("C", "INSERT 0 1"));
});

test("COMMIT itself can be dropped: what came before it reached the server", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  pair.proxy.strike(isCommit, "cut");
  const insert = await pair.say(client, "insert into t values (1)");
  await pair.say(client, "commit");
  assertBytes(await server.rest(), insert);
  await client.closedOrEnded();
});

test("FaultProxy.judge holds a message and all behind it until it is decided on", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  const { promise, resolve } = Promise.withResolvers<"drop">();
  pair.proxy.judge = (message) => stating("first")(message) ? promise : "pass";
  await pair.say(client, "first");
  const second = message("Q", "second");
  await client.write(second);
  await server.write(ready());
  await client.take(ready().length);
  assertEquals(server.received.length, 0);
  resolve("drop");
  assertBytes(await server.take(second.length), second);
});

test("after() and completing() choose an answer by what was asked before", async () => {
  await using pair = await Pair.start();
  const { client, server } = await pair.open();
  pair.proxy.strike(after(stating("second"), completing("INSERT")), "drop");
  const done = message("C", "INSERT 0 1");
  for (const [text, expected] of [["first", [done, ready()]], ["second", [ready()]]] as const) {
    const statement = await pair.say(client, text);
    await server.take(statement.length);
    await server.write(done);
    await server.write(ready());
    const size = expected.reduce((sum, bytes) => sum + bytes.length, 0);
    assertBytes(await client.take(size), ...expected);
  }
});

test("FaultProxy.retarget() sends new connections elsewhere; the open ones stay", async () => {
  await using pair = await Pair.start();
  const before = await pair.open();
  await withServer(async (other) => {
    pair.proxy.retarget(`postgres://u@127.0.0.1:${other.port}/d`);
    const client = await pair.dial();
    await client.write(STARTUP);
    await (await other.accept()).take(STARTUP.length);
    const statement = await pair.say(before.client, "select 1");
    await before.server.take(statement.length);
    await pair.proxy[Symbol.asyncDispose]();
  });
});

test("FaultProxy in front of a server that is down closes what it took", async () => {
  await using pair = await Pair.start();
  await using down = await Pair.start();
  pair.proxy.retarget(`postgres://u@127.0.0.1:${down.proxy.port}/d`);
  down.proxy.refuse();
  const client = await pair.dial();
  await client.closedOrEnded();
  assertEquals([pair.proxy.connections, down.proxy.connections], [1, 0]);
});
