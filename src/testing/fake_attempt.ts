/**
 * One attempt to connect to the fake server.
 *
 * @module
 */

import type { Timer } from "../core/clock.ts";
import { FakeError } from "./fake_error.ts";
import type { Fault, HeldCall } from "./fake_faults.ts";
import type { FakeServer } from "./fake_wire.ts";

/** What an attempt reports to its driver. */
export interface AttemptHome<T> {
  /**
   * Opens the connection: the server accepted.
   *
   * @returns The connection.
   */
  open(): T;
  /** The attempt is over, whatever came of it. */
  ended(): void;
}

/**
 * Connects as the fault says; the caller's signal ends the attempt and nothing is left of it.
 *
 * @param server The server.
 * @param fault What goes wrong, if anything.
 * @param signal The caller's signal; not aborted yet.
 * @param home Told of the outcome.
 * @returns What `home.open` returned.
 */
export function attemptConnect<T>(
  server: FakeServer,
  fault: Fault | undefined,
  signal: AbortSignal | undefined,
  home: AttemptHome<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let pending = true;
    let timer: Timer | undefined;
    let held: HeldCall | undefined;
    const end = (): boolean => {
      if (!pending) return false;
      pending = false;
      timer?.cancel();
      if (held !== undefined) server.held.delete(held);
      signal?.removeEventListener("abort", onAbort);
      home.ended();
      return true;
    };
    const onAbort = (): void => {
      if (end()) reject(signal?.reason);
    };
    const answer = (): void => {
      if (end()) resolve(home.open());
    };
    const refuse = (error: Error): void => {
      if (!end()) return;
      server.ledger.record("refuse");
      reject(error);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    switch (fault?.kind) {
      case "refuse":
        queueMicrotask(() => refuse(fault.error));
        break;
      case "delay":
        timer = server.clock.schedule(fault.delayMs, answer);
        break;
      case "hold":
        held = {
          operation: "connect",
          connection: 0,
          answer,
          refuse: (error) =>
            refuse(error ?? new FakeError("unavailable", "the server cannot be had")),
        };
        server.held.add(held);
        break;
      default:
        queueMicrotask(answer);
    }
  });
}
