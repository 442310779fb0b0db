/**
 * The files that are published.
 *
 * @module
 */

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "../support/std_source.ts";

/** How `deno publish` lists a file. */
const LISTED = /^\s*(file:\/\/\S+) \([\d.]+\w*\)$/gm;

/**
 * Asks `deno publish` what it would publish.
 *
 * @returns Paths from the project's folder.
 */
export async function publishedFiles(): Promise<string[]> {
  const { success, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    // Whether the types are slow is seen elsewhere.
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check", "--allow-slow-types"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  const root = fileURLToPath(ROOT);
  const files = [...said.matchAll(LISTED)].map(([, url = ""]) =>
    relative(root, fileURLToPath(url))
  );
  if (!success || files.length === 0) throw new Error(`Nothing would be published: ${said}`);
  return files;
}
