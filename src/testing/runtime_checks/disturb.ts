/**
 * Everything that can be done with a socket that is gone.
 *
 * @module
 */

import type { Socket } from "../../core/runtime.ts";
import { bytesOf } from "../byte_pattern.ts";
import { expectFulfilment, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeBench } from "../runtime_bench.ts";

/**
 * Does everything that can be done with a socket that is gone; nothing of it may have an effect.
 *
 * @param bench The bench.
 * @param socket The socket.
 */
export async function disturb(bench: RuntimeBench, socket: Socket): Promise<void> {
  expectSame(socket.write(bytesOf("x")), true, "write() on a socket that is gone");
  socket.pause();
  socket.resume();
  socket.ref();
  socket.unref();
  socket.destroy();
  const clause = "close() fulfils on a socket that is gone";
  await expectFulfilment(bench.within(socket.close(), clause), clause);
  await turns();
}
