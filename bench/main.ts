/**
 * Benchmarks of the pool beside its peers and beside lower bounds, printed as Markdown.
 *
 * Numbers of one run compare with one another and with nothing else: every table has ratios, rounds are interleaved,
 * and each measurement has a fresh process.
 *
 * @module
 */

import { parseCommandLine, USAGE } from "./options.ts";
import { print } from "./print.ts";

const commandLine = await parseCommandLine(Deno.args).catch((error: Error) => error);
if (commandLine instanceof Error) {
  print(`${commandLine.message}\n\n${USAGE}`);
  Deno.exitCode = 2;
} else if (commandLine.help) print(USAGE);
else {
  const { sections, options } = commandLine;
  const { name, version } = options.runtime;
  print(`Measured on ${name} ${version}, ${navigator.hardwareConcurrency} cores.`);
  for (const section of sections) await section.run(options);
}
