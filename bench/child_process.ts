/**
 * Runs one measurement in a fresh process, so that no measurement inherits another one's heap or compiled code.
 *
 * @module
 */

import type { Runtime } from "./runtime.ts";

/** How a measuring process ended: with a result, stopped because it took too long, or without a result. */
export type Outcome<T> =
  | { readonly kind: "done"; readonly value: T; readonly wallMs: number }
  | { readonly kind: "capped"; readonly capMs: number }
  | { readonly kind: "failed"; readonly message: string };

/** What to run. */
export interface ChildOptions<T> {
  /** Where. */
  readonly runtime: Runtime;
  /** The script; it prints its result with `printResult`. */
  readonly script: URL;
  /** Its single argument, sent as JSON. */
  readonly input: unknown;
  /** After how long it is stopped. */
  readonly capMs: number;
  /** Added to the environment. */
  readonly env?: Record<string, string>;
  /**
   * Checks the result.
   *
   * @param value What the child printed.
   * @returns The same.
   */
  readonly parse: (value: unknown) => T;
}

/** Marks the line that carries the result: peers may print too. */
export const RESULT_MARK = "@result ";

/**
 * Runs a script.
 *
 * @param options What and where.
 * @returns What came of it.
 */
export async function runChild<T>(options: ChildOptions<T>): Promise<Outcome<T>> {
  const { runtime, script, input, capMs, env, parse } = options;
  const start = performance.now();
  const child = new Deno.Command(runtime.binary, {
    args: [...runtime.args, script.pathname, JSON.stringify(input)],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env,
  }).spawn();
  let capped = false;
  const timer = setTimeout(() => {
    capped = true;
    child.kill("SIGKILL");
  }, capMs);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  if (capped) return { kind: "capped", capMs };
  const text = new TextDecoder();
  const line = text.decode(stdout).split("\n").find((line) => line.startsWith(RESULT_MARK));
  if (line === undefined) {
    const message = text.decode(stderr).trim().split("\n").slice(0, 6).join(" ");
    return { kind: "failed", message: message || `exit code ${code}` };
  }
  const value = parse(JSON.parse(line.slice(RESULT_MARK.length)));
  return { kind: "done", value, wallMs: performance.now() - start };
}
