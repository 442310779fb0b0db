/**
 * What `run_files.ts` tells of the files it ran.
 *
 * @module
 */

/** What the tests of one file came to. */
export interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  /** How many are not for this runtime, by the reason why. */
  readonly notApplicable: Readonly<Record<string, number>>;
}

/** What precedes the results, which are a JSON array. */
export const RESULTS = "results: ";
