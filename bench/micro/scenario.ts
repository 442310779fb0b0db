/**
 * What is measured of a pool.
 *
 * @module
 */

import type { Effort } from "./effort.ts";
import type { SubjectKind } from "./subject.ts";
import type { Yardstick } from "./yardstick.ts";

/** Samples by metric. */
export interface Measures {
  /** Times, in steps of the yardstick. */
  readonly times: Record<string, number[]>;
  /** Anything else. */
  readonly others: Record<string, number[]>;
}

/** What a scenario is given. */
export interface Bench {
  /** How thoroughly to measure. */
  readonly effort: Effort;
  /** How fast the machine is just now. */
  readonly yardstick: Yardstick;
}

/** One measurement, in a process of its own. */
export interface Scenario {
  /** Its name. */
  readonly name: string;
  /**
   * @param kind A pool.
   * @returns Whether it has what is measured.
   */
  suits(kind: SubjectKind): boolean;
  /**
   * Measures.
   *
   * @param kind The pool.
   * @param bench How.
   * @returns The samples.
   * @throws {Error} When the pool did something else than what was to be measured.
   */
  run(kind: SubjectKind, bench: Bench): Promise<Measures>;
}
