/**
 * Temporary directories for projects that use the package.
 *
 * @module
 */

import process from "node:process";
import { RUN_DIRECTORY_VARIABLE } from "../support/environment.ts";

/** A directory that is gone when it is disposed of. */
export interface TempDirectory extends AsyncDisposable {
  /** Its path. */
  readonly path: string;
}

/**
 * Makes a directory, in that of the run of the tests.
 *
 * @returns The directory.
 */
export async function tempDirectory(): Promise<TempDirectory> {
  const dir = process.env[RUN_DIRECTORY_VARIABLE];
  const path = await Deno.makeTempDir({ dir, prefix: "steady-package-" });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}
