/**
 * How tests are written that run on every runtime: `Deno.test` on Deno, a list for `run_files.ts` on Bun and Node.
 *
 * @module
 */

/** What a test's function is given. */
export interface TestContext {
  /**
   * Runs a part of the test that has a name of its own; when it fails, so does the test.
   *
   * @param name What it shows.
   * @param fn Shows it; rejects if it is not so.
   * @returns Whether it passed.
   */
  step(name: string, fn: () => void | Promise<void>): Promise<boolean>;
}

/** A test's function. */
export type TestFunction = (context: TestContext) => void | Promise<void>;

/** A test that was written down. */
export interface RegisteredTest {
  readonly name: string;
  readonly fn: TestFunction;
  /** Why it is not for this runtime; `undefined` if it is. */
  readonly notApplicable?: string;
}

/** Name of a runtime that tests run on. */
export type RuntimeName = "deno" | "bun" | "node";

/** The runtime that this runs on. */
export const runtimeName: RuntimeName = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** The tests written down so far, where the runtime has no list of its own. */
export const registered: RegisteredTest[] = [];

/**
 * Writes a test down.
 *
 * @param name What it shows.
 * @param fn Shows it; rejects if it is not so.
 */
export function test(name: string, fn: TestFunction): void {
  if (runtimeName === "deno") Deno.test(name, fn);
  else registered.push({ name, fn });
}

/**
 * Writes a test down that makes sense on some runtimes only.
 *
 * @param runtimes Which.
 * @param reason Why not on the others: a fact about them.
 * @param name What it shows.
 * @param fn Shows it; rejects if it is not so.
 */
export function testOn(
  runtimes: readonly RuntimeName[],
  reason: string,
  name: string,
  fn: TestFunction,
): void {
  if (runtimes.includes(runtimeName)) test(name, fn);
  else if (runtimeName !== "deno") registered.push({ name, fn, notApplicable: reason });
}
