/**
 * The clock of all measurements.
 *
 * @module
 */

import process from "node:process";

/**
 * Processor time of this process with all its threads: what a pool costs, its garbage included, whatever else the
 * machine does meanwhile.
 *
 * @returns Nanoseconds; only differences mean anything.
 */
export function processorNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e3;
}
