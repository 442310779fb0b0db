/**
 * What `main.ts` runs: a section measures one thing and prints its tables.
 *
 * @module
 */

import type { Runtime } from "./runtime.ts";

/** What the command line asked for. */
export interface BenchOptions {
  /** Where the measuring child processes run. */
  readonly runtime: Runtime;
  /** A short run: fewer rounds, coarser numbers. */
  readonly quick: boolean;
  /** Number of interleaved rounds; the section's own choice when not given. */
  readonly rounds: number | undefined;
  /** Restricts the subjects (pools, clients) by name; all when empty. */
  readonly subjects: readonly string[];
  /** Restricts the scenarios by name; all when empty. */
  readonly scenarios: readonly string[];
}

/** One part of the benchmark. */
export interface Section {
  /** Its name on the command line. */
  readonly name: string;
  /**
   * Measures and prints.
   *
   * @param options What the command line asked for.
   */
  run(options: BenchOptions): Promise<void>;
}
