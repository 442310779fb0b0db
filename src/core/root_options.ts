/**
 * Options of a pool whose own affairs are in nobody's context.
 *
 * @module
 */

import type { ResolvedPoolOptions } from "./options.ts";
import { RootClock } from "./root_clock.ts";

/**
 * Takes timers and the session's set-up out of the context of whoever came by: a connection is set up for all who will have
 * it, and again behind who gave it back.
 *
 * @param options Checked and complete.
 * @returns The same, if the pool knows no runtime.
 */
export function inNoContext<C>(options: ResolvedPoolOptions<C>): ResolvedPoolOptions<C> {
  const { context, clock, session } = options;
  if (context === undefined) return options;
  return {
    ...options,
    clock: new RootClock(clock, context),
    session: typeof session === "function"
      ? (connection) => context.root(() => session(connection))
      : session,
  };
}
