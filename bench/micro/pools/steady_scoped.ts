import { AsyncLocalStorage } from "node:async_hooks";
import { Pool } from "../../../mod.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import type { ScopedSubject, SubjectKind } from "../subject.ts";
import { InstantDriver, kindWith } from "./steady.ts";

const context = { contextVariable, root };

/** This module with what it knows of control flow, as the entries of the runtimes make it. */
export const kind: SubjectKind = {
  ...kindWith({ context }),
  createScoped({ max }): ScopedSubject {
    const pool = new Pool(new InstantDriver(), { max, context });
    const storage = new AsyncLocalStorage<object>();
    const use = (): Promise<number> => pool.use(({ connection }) => connection.id);
    return {
      use,
      scope: () => pool.scope(nothing),
      store: () => storage.run({}, nothing),
      useInScope: () => pool.scope(use),
      inScope: (fn) =>
        pool.scope(async () => {
          await use();
          await fn();
        }),
      find: (count) => {
        let found = 0;
        for (let i = 0; i < count; i++) if (pool.current() !== undefined) found++;
        return found;
      },
      useInStore: () => storage.run({}, use),
      inStore: (fn) => storage.run({}, fn),
      findBare: (count) => {
        let found = 0;
        for (let i = 0; i < count; i++) if (storage.getStore() !== undefined) found++;
        return found;
      },
    };
  },
};

/** As what is done in a scope, it is awaited. */
function nothing(): Promise<void> {
  return Promise.resolve();
}
