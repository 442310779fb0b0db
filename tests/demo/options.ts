/**
 * The command line.
 *
 * @module
 */

import { APP_RUNTIMES, type AppRuntime, isAppRuntime } from "./app_command.ts";
import { isSabotage, type Sabotage, SABOTAGES } from "./sabotage.ts";

/** How it is used. */
export const USAGE = `deno task demo [options]

An order-taking web service on a pool of PostgreSQL connections, under load. Half-way all of its
connections are killed and the server is restarted. In the end every order is accounted for.

--runtime NAME  what the service runs on: ${APP_RUNTIMES.join(", ")} (default: deno)
--seconds N     how long the load lasts (default: 10)
--clients N     clients, each with one request at a time (default: 16)
--rate N        requests a second, of all clients together (default: 400)
--sabotage KIND damages one acknowledged order before the check, which has to find it:
                ${SABOTAGES.join(", ")}
--help          this text

DATABASE_URL    uses that database instead of a server of its own: in a schema of its own, which is
                dropped in the end; connections are killed, but the server is not restarted
exit code       0: all is well; 1: something is wrong; 2: wrong usage; 130: interrupted`;

/** What was asked for. */
export interface DemoOptions {
  readonly help: boolean;
  readonly runtime: AppRuntime;
  readonly seconds: number;
  readonly clients: number;
  readonly rate: number;
  readonly sabotage: Sabotage | undefined;
}

const OPTIONS_WITH_VALUE = ["--runtime", "--seconds", "--clients", "--rate", "--sabotage"];

/** The command line makes no sense. */
export class UsageError extends Error {}

/**
 * Understands the command line.
 *
 * @param args The arguments.
 * @returns What was asked for.
 * @throws {UsageError} If an option does not exist or has a wrong value.
 */
export function parseOptions(args: readonly string[]): DemoOptions {
  const values = new Map<string, string>();
  let help = false;
  // `deno task demo -- …` hands over the two dashes too.
  const rest = args.filter((arg) => arg !== "--")
    .flatMap((arg) => /^--\w+=/.test(arg) ? splitOnce(arg) : [arg]);
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "--help" || name === "-h") help = true;
    else if (OPTIONS_WITH_VALUE.includes(name)) {
      const value = rest.shift();
      if (value === undefined) throw new UsageError(`Option needs a value: ${name}`);
      values.set(name, value);
    } else throw new UsageError(`There is no option ${name}`);
  }
  const numberOf = (name: string, fallback: number, most: number): number => {
    const text = values.get(name);
    const value = text === undefined ? fallback : Number(text);
    if (text?.trim() === "" || !(value >= 1) || value > most) {
      throw new UsageError(`Option ${name} takes a number from 1 to ${most}: received ${text}`);
    }
    return value;
  };
  const runtime = values.get("--runtime") ?? "deno";
  if (!isAppRuntime(runtime)) {
    throw new UsageError(
      `Option --runtime takes one of ${APP_RUNTIMES.join(", ")}: received ${runtime}`,
    );
  }
  const sabotage = values.get("--sabotage");
  if (sabotage !== undefined && !isSabotage(sabotage)) {
    throw new UsageError(
      `Option --sabotage takes one of ${SABOTAGES.join(", ")}: received ${sabotage}`,
    );
  }
  return {
    help,
    runtime,
    seconds: numberOf("--seconds", 10, 3_600),
    clients: Math.floor(numberOf("--clients", 16, 1_000)),
    rate: numberOf("--rate", 400, 100_000),
    sabotage,
  };
}

function splitOnce(arg: string): string[] {
  const at = arg.indexOf("=");
  return [arg.slice(0, at), arg.slice(at + 1)];
}
