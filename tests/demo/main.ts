/**
 * `deno task demo`: what happens to a web service when its database goes away, and what does not.
 *
 * Signals and exit code; the service itself is an app on the runtime that is asked for.
 *
 * @module
 */

import { messageOf } from "../../src/core/errors.ts";
import { runDemo } from "./demo.ts";
import { parseOptions, USAGE, UsageError } from "./options.ts";
import { Terminal } from "./terminal.ts";

const EXIT = { ok: 0, wrong: 1, usage: 2, interrupted: 130 } as const;

/** Signals within this time are one: a terminal and `deno task` may both send what was one Ctrl+C. */
const ONE_SIGNAL_MS = 500;

/** Somebody wants it to end. */
class Interruption extends Error {}

/** Aborted by a signal, or by an error that nobody caught; both have to clean up. */
function listen(terminal: Terminal): AbortSignal {
  const stop = new AbortController();
  let since: number | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => {
      // Whoever is in a hurry: the server goes all the same when this process has gone.
      if (since !== undefined && performance.now() - since > ONE_SIGNAL_MS) {
        Deno.exit(EXIT.interrupted);
      }
      if (since === undefined) terminal.line(`${name}: cleaning up`);
      since ??= performance.now();
      stop.abort(new Interruption(name));
    });
  }
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    stop.abort(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    stop.abort(event.error);
  });
  return stop.signal;
}

async function main(terminal: Terminal): Promise<number> {
  const signal = listen(terminal);
  try {
    const options = parseOptions(Deno.args);
    if (options.help) {
      terminal.line(USAGE);
      return EXIT.ok;
    }
    const databaseUrl = Deno.env.get("DATABASE_URL") || undefined;
    const ok = await runDemo({ ...options, databaseUrl }, terminal, signal);
    return ok ? EXIT.ok : EXIT.wrong;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.line(`${error.message}\n\n${USAGE}`);
      return EXIT.usage;
    }
    if (error !== signal.reason) terminal.line(`FAILED: ${messageOf(error)}`);
    if (signal.reason instanceof Interruption) return EXIT.interrupted;
    if (signal.aborted) terminal.line(`CRASHED: ${Deno.inspect(signal.reason)}`);
    return EXIT.wrong;
  }
}

const code = await main(new Terminal());
// The listeners for signals would keep the process alive.
Deno.exit(code);
