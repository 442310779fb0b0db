/**
 * The command line.
 *
 * @module
 */

import type { RuntimeName } from "../support/harness.ts";

const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** How it is used. */
export const USAGE = `deno run --allow-all tests/peers/main.ts [options]

The same accidents for this pool and for others: what each of them loses, doubles, fails on or hangs on.

--runtime NAME  what the clients run on: ${RUNTIMES.join(", ")} (default: deno)
--rounds N      how often each client goes through each scenario (default: 1)
--only TEXT     scenarios whose name contains this
--client NAME   this client alone
--errors        tells what the writes were rejected with, too
--help          this text`;

/** What was asked for. */
export interface PeersOptions {
  readonly runtime: RuntimeName;
  readonly rounds: number;
  readonly only: string;
  readonly client: string | undefined;
  readonly errors: boolean;
}

/** The command line makes no sense. */
export class UsageError extends Error {}

/**
 * Understands the command line.
 *
 * @param args The arguments.
 * @returns What was asked for; undefined if that is help.
 * @throws {UsageError} If an option does not exist or has a wrong value.
 */
export function parseOptions(args: readonly string[]): PeersOptions | undefined {
  const rest = args.filter((arg) => arg !== "--");
  let options: PeersOptions = {
    ...{ runtime: "deno", rounds: 1, only: "", client: undefined, errors: false },
  };
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "--help" || name === "-h") return undefined;
    if (name === "--errors") {
      options = { ...options, errors: true };
      continue;
    }
    const value = rest.shift();
    if (value === undefined) throw new UsageError(`Option needs a value: ${name}`);
    options = { ...options, ...valueOf(name, value) };
  }
  return options;
}

function valueOf(name: string, value: string): Partial<PeersOptions> {
  switch (name) {
    case "--runtime": {
      const runtime = RUNTIMES.find((known) => known === value);
      if (runtime !== undefined) return { runtime };
      throw new UsageError(
        `Option --runtime takes one of ${RUNTIMES.join(", ")}: received ${value}`,
      );
    }
    case "--rounds": {
      const rounds = Number(value);
      if (Number.isInteger(rounds) && rounds >= 1) return { rounds };
      throw new UsageError(`Option --rounds takes an integer >= 1: received ${value}`);
    }
    case "--only":
      return { only: value };
    case "--client":
      return { client: value };
  }
  throw new UsageError(`There is no option ${name}`);
}
