/**
 * The shop's main module on each runtime.
 *
 * @module
 */

import type { AppModules } from "../demo/app_command.ts";

/** The apps. */
export const SHOP_APPS: AppModules = {
  deno: new URL("./deno.ts", import.meta.url),
  bun: new URL("./bun.ts", import.meta.url),
  node: new URL("./hono.ts", import.meta.url),
  workerd: new URL("./workerd.ts", import.meta.url),
};
