/**
 * Child processes that run to their end.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { Buffer } from "node:buffer";

/** How to run a child process. */
export interface ChildOptions {
  /** User and group to run as; this process's own when not given. */
  readonly ids?: { readonly uid: number; readonly gid: number };
  /** Environment; this process's own when not given. */
  readonly env?: Record<string, string | undefined>;
  /** Working directory; this process's own when not given. */
  readonly cwd?: string;
}

/** What is left of a child process. */
export interface ChildResult {
  /** Exit code; -1 if a signal ended it. */
  readonly code: number;
  /** What it wrote to its standard output. */
  readonly stdout: string;
  /** What it wrote to its standard error output. */
  readonly stderr: string;
}

/**
 * Runs a program to its end.
 *
 * @param program Path of the program.
 * @param args Its arguments.
 * @param options How to run it.
 * @returns Exit code and output. Rejects if it could not be started.
 */
export async function runChild(
  program: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<ChildResult> {
  const { promise, resolve, reject } = Promise.withResolvers<ChildResult>();
  const { ids, ...rest } = options;
  const child = spawn(program, args, { ...rest, ...ids, stdio: ["ignore", "pipe", "pipe"] });
  const output: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  child.stdout.on("data", (chunk: Buffer) => output.stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => output.stderr.push(chunk));
  child.once("error", reject);
  child.once("close", (code) => {
    resolve({
      code: code ?? -1,
      stdout: Buffer.concat(output.stdout).toString(),
      stderr: Buffer.concat(output.stderr).toString(),
    });
  });
  return await promise;
}

/**
 * Runs a program that must succeed.
 *
 * @param program Path of the program.
 * @param args Its arguments.
 * @param options How to run it.
 * @returns Its standard output. Rejects with all its output if it failed.
 */
export async function expectChild(
  program: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await runChild(program, args, options);
  if (code !== 0) throw new Error(`${program} failed (${code}):\n${stdout}${stderr}`);
  return stdout;
}
