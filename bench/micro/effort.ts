/**
 * How much is measured.
 *
 * @module
 */

/** Sizes of a measurement. */
export interface Effort {
  /** Samples per process and metric. */
  readonly samples: number;
  /** Least duration of a timed sample. */
  readonly sampleMs: number;
  /** How long the code runs before the first sample, so that it is compiled. */
  readonly warmUpMs: number;
  /** Sampling ends after this much time, however few samples there are; one there is always. */
  readonly budgetMs: number;
}

/** A full run. */
export const FULL: Effort = { samples: 5, sampleMs: 15, warmUpMs: 120, budgetMs: 800 };

/** A short run. */
export const QUICK: Effort = { samples: 3, sampleMs: 8, warmUpMs: 80, budgetMs: 300 };
