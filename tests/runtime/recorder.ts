/**
 * A receiver that writes down what a socket tells it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket } from "../../src/core/runtime.ts";
import { SocketRecorder } from "../../src/testing/socket_recorder.ts";

export { bytesOf } from "../../src/testing/byte_pattern.ts";
export { turns } from "../../src/testing/limit.ts";

/** The conformance kit's recorder, whose waits the test's own limit ends. */
export class Recorder extends SocketRecorder {
  constructor() {
    super((promise) => Promise.resolve(promise));
  }

  override get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  override until(condition: () => boolean, clause = ""): Promise<void> {
    return super.until(condition, clause);
  }
}

/** Makes a recorder the receiver of a socket. */
export function record(socket: Socket): Recorder {
  const recorder = new Recorder();
  socket.receive(recorder);
  return recorder;
}
