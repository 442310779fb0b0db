/**
 * Tests that may hang when what they test is wrong.
 *
 * @module
 */

import { deadline } from "@std/async";
import { test, type TestFunction } from "../support/harness.ts";

/** Far more than any of them needs, also on a machine with much else to do: no test is about time. */
const LIMIT_MS = 110_000;

/**
 * Writes a test down that fails when it is not over within its limit.
 *
 * @param name What it shows.
 * @param fn Shows it; rejects if it is not so.
 */
export function bounded(name: string, fn: TestFunction): void {
  test(name, async (context) => {
    await deadline(Promise.resolve(fn(context)), LIMIT_MS);
  });
}
