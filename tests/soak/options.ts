/**
 * The command line.
 *
 * @module
 */

import type { RuntimeName } from "../support/harness.ts";
import { isSabotage, type Sabotage, SABOTAGES } from "./sabotage.ts";

const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** How it is used. */
export const USAGE = `deno task soak [options]

Many tasks write through two pools, while one accident after the other befalls the server and the
network. In the end every write is accounted for.

--seconds N     how long there are accidents (default: 60)
--seed N        what decides on accidents and work (default: the time)
--runtime NAME  what the pools run on: ${RUNTIMES.join(", ")} (default: deno)
--tasks N       tasks that work side by side (default: 40)
--rate N        operations a second, of all tasks together (default: 250)
--sabotage KIND damages one write before the check, which has to find it: ${SABOTAGES.join(", ")}
--help          this text

exit code       0: all is well; 1: something is wrong; 2: wrong usage; 130: interrupted`;

/** What was asked for. */
export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly runtime: RuntimeName;
  readonly tasks: number;
  readonly rate: number;
  readonly sabotage?: Sabotage;
}

const OPTIONS_WITH_VALUE = [
  ...["--seconds", "--seed", "--runtime", "--tasks", "--rate", "--sabotage"],
];

/** The command line makes no sense. */
export class UsageError extends Error {}

/**
 * Understands the command line.
 *
 * @param args The arguments.
 * @returns What was asked for; undefined if that is help.
 * @throws {UsageError} If an option does not exist or has a wrong value.
 */
export function parseOptions(args: readonly string[]): SoakOptions | undefined {
  const values = new Map<string, string>();
  // `deno task soak -- …` hands over the two dashes too.
  const rest = args.filter((arg) => arg !== "--")
    .flatMap((arg) => /^--\w+=/.test(arg) ? splitOnce(arg) : [arg]);
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "--help" || name === "-h") return undefined;
    if (!OPTIONS_WITH_VALUE.includes(name)) throw new UsageError(`There is no option ${name}`);
    const value = rest.shift();
    if (value === undefined) throw new UsageError(`Option needs a value: ${name}`);
    values.set(name, value);
  }
  const numberOf = (name: string, fallback: number, least: number, most: number): number => {
    const text = values.get(name);
    const value = text === undefined ? fallback : Number(text);
    if (text?.trim() === "" || !(value >= least) || value > most) {
      throw new UsageError(
        `Option ${name} takes a number from ${least} to ${most}: received ${text}`,
      );
    }
    return value;
  };
  const name = values.get("--runtime") ?? "deno";
  const runtime = RUNTIMES.find((known) => known === name);
  if (runtime === undefined) {
    throw new UsageError(`Option --runtime takes one of ${RUNTIMES.join(", ")}: received ${name}`);
  }
  const sabotage = values.get("--sabotage");
  if (sabotage !== undefined && !isSabotage(sabotage)) {
    throw new UsageError(
      `Option --sabotage takes one of ${SABOTAGES.join(", ")}: received ${sabotage}`,
    );
  }
  return {
    seconds: numberOf("--seconds", 60, 1, 86_400),
    seed: Math.floor(numberOf("--seed", Date.now() % 1_000_000, 0, 2 ** 32 - 1)),
    runtime,
    tasks: Math.floor(numberOf("--tasks", 40, 1, 1_000)),
    rate: numberOf("--rate", 250, 1, 100_000),
    sabotage,
  };
}

function splitOnce(arg: string): string[] {
  const at = arg.indexOf("=");
  return [arg.slice(0, at), arg.slice(at + 1)];
}
