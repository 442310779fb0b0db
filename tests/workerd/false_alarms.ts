/**
 * Unhandled rejections that are none.
 *
 * @module
 */

import process from "node:process";

/** How Node's `process` tells of rejections, and workerd's too. */
interface RejectionEmitter {
  emit(event: string, ...details: readonly unknown[]): boolean;
}

/**
 * Tells of unhandled rejections a turn later, unless the platform takes them back before.
 *
 * workerd tells of every read that fails that nobody handles it, whoever does, and right behind that it is handled after
 * all (https://github.com/cloudflare/workerd/issues/501). So each socket that is closed while it is read, as sockets are,
 * would count as a mistake. Something that nobody handles is still told of.
 */
export function silenceFalseAlarms(): void {
  const emitter: RejectionEmitter = process;
  const emit = emitter.emit.bind(process);
  const alarms = new Set<unknown>();
  emitter.emit = (event, ...details) => {
    if (event === "unhandledRejection") {
      const [, promise] = details;
      alarms.add(promise);
      setTimeout(() => {
        if (alarms.delete(promise)) emit(event, ...details);
      });
      return true;
    }
    return emit(event, ...details);
  };
  // It only takes back what somebody listens for.
  process.on("rejectionHandled", (promise: unknown) => void alarms.delete(promise));
}
