import process from "node:process";
import { collectGarbage } from "./collect_garbage.ts";

/**
 * Weighs what is reachable.
 *
 * @returns Bytes of the heap in use, without garbage.
 * @throws {Error} When the runtime was started without `--expose-gc`.
 */
export function usedHeap(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
