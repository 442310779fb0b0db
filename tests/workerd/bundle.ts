/**
 * Bundles of workers, as they are uploaded.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { expectChild } from "../support/child.ts";

/** With it bundlers take what a package has for workerd; what the runtime itself supplies stays outside. */
const OPTIONS = [
  ...["--bundle", "--format=esm", "--platform=neutral", "--target=es2022", "--log-level=warning"],
  ...["--conditions=workerd", "--external:cloudflare:*", "--external:node:*"],
];

const bundles = new Map<string, Promise<string>>();

/**
 * Bundles a worker; each only once.
 *
 * @param worker Its main module.
 * @returns The text of the bundle.
 */
export function bundle(worker: URL): Promise<string> {
  let text = bundles.get(worker.href);
  if (text === undefined) {
    const args = ["-y", "esbuild@0.28.2", fileURLToPath(worker), ...OPTIONS];
    bundles.set(worker.href, text = expectChild("npx", args));
  }
  return text;
}
