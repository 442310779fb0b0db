/**
 * Options of something whose own affairs are in nobody's context.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { RootClock } from "./root_clock.ts";
import type { Runtime } from "./runtime.ts";
import type { SessionSetup } from "./session_setup.ts";

/** What is the business of a connection, not of whoever uses it. */
interface OwnAffairs<C> {
  /** Knows the way out of every context. */
  readonly context?: Pick<Runtime, "root">;
  /** Source of timers. */
  readonly clock: Clock;
  /** Done on every new connection. */
  readonly session?: SessionSetup<C>;
}

/**
 * Takes timers and the session's set-up out of the context of whoever came by: a connection is set up for all who will have
 * it, and again behind who gave it back.
 *
 * @param options Checked and complete.
 * @returns The same, if the runtime is not known.
 */
export function inNoContext<C, Options extends OwnAffairs<C>>(options: Options): Options {
  const { context, clock, session } = options;
  if (context === undefined) return options;
  return {
    ...options,
    clock: new RootClock(clock, context),
    session: typeof session === "function"
      ? (connection: C) => context.root(() => session(connection))
      : session,
  };
}
