/**
 * The sums of a run of `deno test`, from its output.
 *
 * From the last line and not from a JUnit report: that one leaves out errors outside of tests, and counts steps.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";

/** How many tests passed and failed. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
}

const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed\b.*? \| (\d+) failed\b/gm;

/**
 * Finds the sums.
 *
 * @param output What `deno test` wrote, or at least its end.
 * @returns The sums; undefined if there are none, because it did not get as far.
 */
export function parseSummary(output: string): TestSummary | undefined {
  const [, passed, failed] = [...stripVTControlCharacters(output).matchAll(SUMMARY)].at(-1) ?? [];
  if (passed === undefined || failed === undefined) return undefined;
  return { passed: Number(passed), failed: Number(failed) };
}
