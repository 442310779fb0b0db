/**
 * The command line.
 *
 * @module
 */

import { findRuntime, type RuntimeName } from "./runtime.ts";
import type { BenchOptions, Section } from "./section.ts";
import { sections } from "./sections.ts";

/** How it is used. */
export const USAGE = `deno task bench [section…] [options]

sections   ${sections.map((section) => section.name).join(", ")} (default: all)
--runtime deno|bun|node   where the measuring processes run (default: deno)
--binary PATH             that runtime's executable, when it is not found by itself
--rounds N                interleaved rounds
--quick                   a short run
--subjects a,b            only these pools or clients
--scenarios a,b           only these scenarios
--help                    this text`;

/** What was asked for. */
export interface CommandLine {
  readonly help: boolean;
  readonly sections: readonly Section[];
  readonly options: BenchOptions;
}

const FLAGS = ["--quick", "--help"];
const VALUES = ["--runtime", "--binary", "--rounds", "--subjects", "--scenarios"];

/**
 * Understands the command line.
 *
 * @param args The arguments.
 * @returns What was asked for.
 * @throws {TypeError} On anything unknown.
 */
export async function parseCommandLine(args: readonly string[]): Promise<CommandLine> {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const names: string[] = [];
  const rest = args.flatMap((arg) => /^--\w+=/.test(arg) ? splitOnce(arg) : [arg]);
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (FLAGS.includes(arg)) flags.add(arg);
    else if (VALUES.includes(arg)) values.set(arg, takeValue(arg, rest));
    else if (arg.startsWith("-")) throw new TypeError(`Unknown option: ${arg}`);
    else names.push(arg);
  }
  return {
    help: flags.has("--help"),
    sections: names.length === 0 ? sections : names.map(sectionOf),
    options: {
      runtime: await findRuntime(
        runtimeName(values.get("--runtime") ?? "deno"),
        values.get("--binary"),
      ),
      quick: flags.has("--quick"),
      rounds: positiveInteger("--rounds", values.get("--rounds")),
      subjects: list(values.get("--subjects")),
      scenarios: list(values.get("--scenarios")),
    },
  };
}

function splitOnce(arg: string): string[] {
  const at = arg.indexOf("=");
  return [arg.slice(0, at), arg.slice(at + 1)];
}

function takeValue(option: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined) throw new TypeError(`Option needs a value: ${option}`);
  return value;
}

function sectionOf(name: string): Section {
  const section = sections.find((candidate) => candidate.name === name);
  if (section === undefined) throw new TypeError(`Unknown section: ${name}`);
  return section;
}

function runtimeName(text: string): RuntimeName {
  if (text === "deno" || text === "bun" || text === "node") return text;
  throw new TypeError(`Unknown runtime: ${text}`);
}

function positiveInteger(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text)) throw new TypeError(`Option needs a positive number: ${option}`);
  return Number(text);
}

function list(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split(",").map((item) => item.trim());
}
