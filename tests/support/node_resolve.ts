/**
 * Lets Node find the stand-ins for `@std/assert` and `@std/async`: `node --import ./tests/support/node_resolve.ts`.
 *
 * @module
 */

import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    const name = /^@std\/(assert|async)$/.exec(specifier)?.[1];
    return next(
      name === undefined ? specifier : new URL(`./std/${name}.ts`, import.meta.url).href,
      context,
    );
  },
});
