/**
 * The entry of the runtime that the tests run on.
 *
 * @module
 */

import type { CreatePool, Runtime } from "../../src/entry/common.ts";
import { runtimeName } from "./harness.ts";

interface Entry {
  readonly createPool: CreatePool;
  readonly runtime: Runtime;
}

const entries: Readonly<Record<typeof runtimeName, () => Promise<Entry>>> = {
  deno: () => import("../../src/entry/deno.ts"),
  bun: () => import("../../src/entry/bun.ts"),
  node: () => import("../../src/entry/node.ts"),
};

const entry = await entries[runtimeName]();

/** Its `createPool`. */
export const createPool: CreatePool = entry.createPool;

/** Its `runtime`. */
export const runtime: Runtime = entry.runtime;

/** The types of every entry. */
export type * from "../../src/entry/common.ts";
