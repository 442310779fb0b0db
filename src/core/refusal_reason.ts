/**
 * What a refusal is called.
 *
 * @module
 */

import {
  AcquireTimeoutError,
  ConnectError,
  PoolClosedError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "./errors.ts";
import type { Events, RefusalReason } from "./observer.ts";
import type { Site } from "./site.ts";

/**
 * Tells that an acquire is refused before its deadline.
 *
 * @param events Who watches.
 * @param error What the caller gets.
 * @param site Where the acquire was made.
 */
export function tellRefused(
  events: Pick<Events, "tell">,
  error: unknown,
  site: Site | undefined,
): void {
  events.tell("refused", { reason: reasonOf(error), error, label: site?.label });
}

function reasonOf(error: unknown): RefusalReason {
  if (error instanceof TooManyConnectionsError) return "no wait";
  if (error instanceof TooManyWaitersError) return "queue full";
  if (error instanceof PoolClosedError) return "closed";
  if (error instanceof AcquireTimeoutError) return "late";
  return error instanceof ConnectError ? "unavailable" : "deadlock";
}
