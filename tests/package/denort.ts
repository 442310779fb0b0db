/**
 * The runtime that `deno compile` puts in front of a program.
 *
 * It is no part of Deno as it comes from npm: Deno gets it from elsewhere when something is compiled for the first time.
 * The tests get nothing from anywhere but npm, so that it is used where it is there, and not where it is not.
 *
 * @module
 */

import { join } from "node:path";

/** Environment variable of Deno's with the path of the runtime. */
export const DENORT_VARIABLE = "DENORT_BIN";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/**
 * Tells whether `deno compile` can make something that runs without getting the runtime first.
 *
 * @returns Whether the runtime is on this machine.
 */
export async function hasDenort(): Promise<boolean> {
  if (Deno.env.has(DENORT_VARIABLE)) return true;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  const { version: { deno }, build: { target } } = Deno;
  return await exists(join(denoDir, "dl", "release", `v${deno}`, `denort-${target}.zip`));
}
