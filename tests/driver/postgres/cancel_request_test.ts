import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { requestCancel } from "../../../src/driver/postgres/cancel_request.ts";
import { runtime } from "../../support/entry.ts";
import { type TestServer, withServer } from "../../runtime/test_server.ts";
import { test } from "../../support/harness.ts";

function endpoint({ port }: { port: number }) {
  return { address: { hostname: "127.0.0.1", port }, tls: undefined, keepAliveMs: 0 };
}

function ask(server: TestServer, secret: Uint8Array, signal?: AbortSignal): Promise<void> {
  return requestCancel(runtime, endpoint(server), { pid: 258, secret }, signal);
}

test("requestCancel() sends process id and secret, and is over when the server hangs up", () =>
  withServer(async (server) => {
    for (const length of [4, 32]) {
      const secret = Uint8Array.from({ length }, (_, index) => 250 - index);
      let over = false;
      const asking = ask(server, secret).then(() => {
        over = true;
      });
      const peer = await server.accept();
      const bytes = await peer.take(12 + length);
      assertEquals([...bytes], [0, 0, 0, 12 + length, 4, 210, 22, 46, 0, 0, 1, 2, ...secret]);
      assertEquals(over, false);
      peer.stream.end();
      await asking;
    }
  }));

test("requestCancel() takes a reset for the server's way to hang up", () =>
  withServer(async (server) => {
    const asking = ask(server, Uint8Array.of(1, 2, 3, 4));
    const peer = await server.accept();
    await peer.take(16);
    peer.stream.resetAndDestroy();
    await asking;
  }));

test("requestCancel() rejects if nobody listens", async () => {
  const backend = { pid: 1, secret: Uint8Array.of(1, 2, 3, 4) };
  await assertRejects(() => requestCancel(runtime, endpoint({ port: 1 }), backend));
});

test("requestCancel({ signal }) gives up, and hangs up", () =>
  withServer(async (server) => {
    const reason = new Error("enough");
    const abort = new AbortController();
    const asking = ask(server, Uint8Array.of(1, 2, 3, 4), abort.signal);
    const rejected = assertRejects(() => asking);
    const peer = await server.accept();
    await peer.take(16);
    abort.abort(reason);
    assertStrictEquals(await rejected, reason);
    await peer.closedOrEnded();
    const early = ask(server, Uint8Array.of(1, 2, 3, 4), AbortSignal.abort(reason));
    assertStrictEquals(await assertRejects(() => early), reason);
  }));
