/**
 * Virtual time for runs of many steps.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { VirtualClock } from "../../../src/testing/mod.ts";

/** Time in which promises settle by turns of the event loop: until all have, and cheaper than by counting. */
export class LoopClock extends VirtualClock {
  override settle(turns?: number): Promise<void> {
    return turns === undefined
      ? new Promise((resolve) => void setImmediate(resolve))
      : super.settle(turns);
  }
}
