/**
 * The adapter of the runtime that the tests run on.
 *
 * @module
 */

import type { Runtime } from "../../src/core/runtime.ts";
import { runtimeName } from "../support/harness.ts";

const adapters: Readonly<Record<typeof runtimeName, () => Promise<{ readonly runtime: Runtime }>>> =
  {
    deno: () => import("../../src/runtime/deno.ts"),
    bun: () => import("../../src/runtime/bun.ts"),
    node: () => import("../../src/runtime/node.ts"),
  };

/** Its module. */
export const adapter: URL = new URL(`../../src/runtime/${runtimeName}.ts`, import.meta.url);

/** What it exports. */
export const { runtime }: { readonly runtime: Runtime } = await adapters[runtimeName]();
