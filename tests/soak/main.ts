/**
 * `deno task soak`: whether anything is lost, doubled or left behind while everything breaks, again and again.
 *
 * Signals and exit code.
 *
 * @module
 */

import process from "node:process";
import { messageOf } from "../../src/core/errors.ts";
import { Terminal } from "../demo/terminal.ts";
import { parseOptions, USAGE, UsageError } from "./options.ts";
import { runSoak } from "./soak.ts";

const EXIT = { ok: 0, wrong: 1, usage: 2, interrupted: 130 } as const;

/** Signals within this time are one: a terminal and `deno task` may both send what was one Ctrl+C. */
const ONE_SIGNAL_MS = 500;

/** Somebody wants it to end. */
class Interruption extends Error {}

function listen(terminal: Terminal): AbortSignal {
  const stop = new AbortController();
  let since: number | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      // Whoever is in a hurry: the server goes all the same when this process has gone.
      if (since !== undefined && performance.now() - since > ONE_SIGNAL_MS) {
        process.exit(EXIT.interrupted);
      }
      if (since === undefined) terminal.line(`${name}: cleaning up`);
      since ??= performance.now();
      stop.abort(new Interruption(name));
    });
  }
  return stop.signal;
}

async function main(terminal: Terminal): Promise<number> {
  const signal = listen(terminal);
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) {
      terminal.line(USAGE);
      return EXIT.ok;
    }
    const problems = await runSoak(options, terminal, signal);
    return problems.length === 0 ? EXIT.ok : EXIT.wrong;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.line(`${error.message}\n\n${USAGE}`);
      return EXIT.usage;
    }
    if (signal.reason instanceof Interruption) return EXIT.interrupted;
    terminal.line(`FAILED: ${messageOf(error)}`);
    return EXIT.wrong;
  }
}

const code = await main(new Terminal());
// The listeners for signals would keep the process alive.
process.exit(code);
