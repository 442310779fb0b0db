/**
 * Sockets that must not open.
 *
 * @module
 */

import type { Socket } from "../../core/runtime.ts";
import { expect, expectRejection } from "../expect.ts";
import type { RuntimeBench } from "../runtime_bench.ts";

/**
 * Waits until a socket has failed to open and is gone, and checks that this is told as the contract says.
 *
 * @param bench The bench.
 * @param socket A socket without a receiver.
 * @returns What `opened` was rejected with.
 */
export async function failureOf(bench: RuntimeBench, socket: Socket): Promise<unknown> {
  const recorder = bench.record(socket);
  const opening = bench.within(socket.opened, "`opened` settles");
  const reason = await expectRejection(opening, "`opened` rejects");
  await bench.closed(socket);
  await recorder.closed;
  recorder.expectEvents(["close"], "of a socket that failed to open");
  expect(recorder.error instanceof Error, "`close` of a socket that failed to open has an error");
  expect(!socket.secure, "a socket that failed to open is not `secure`");
  return reason;
}
