/**
 * What the measuring processes are told and what they tell.
 *
 * @module
 */

import type { Stretch } from "./load.ts";
import type { Mode } from "./modes.ts";

/** One mode at one concurrency. */
export interface ChildInput {
  readonly url: string;
  readonly mode: Mode["name"];
  readonly concurrency: number;
  readonly clients: readonly string[];
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** Stretches by client. */
export type ChildReport = Record<string, Stretch[]>;

/** One client, second by second. */
export interface DriftInput {
  readonly url: string;
  readonly client: string;
  readonly concurrency: number;
  readonly seconds: number;
}
