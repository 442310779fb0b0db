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

/** Short statements beside slow ones, at one concurrency. */
export interface MixedInput {
  readonly url: string;
  readonly concurrency: number;
  readonly rounds: number;
  readonly windowMs: number;
}

/** What short statements took in one round. */
export interface Latency {
  /** Statements per second, short and slow. */
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Rounds by the setting of `multiplex`. */
export type MixedReport = Record<string, Latency[]>;
