/**
 * The calls of a cursor's callback.
 *
 * @module
 */

import type { PorsagerQuery } from "./porsager.ts";

/**
 * Hears of the calls of a cursor's callback, and of what it throws: porsager does not, if that of the last batch rejects.
 *
 * @param query A cursor.
 * @param listener Told of each batch, and of what the callback throws.
 */
export function watchCursor(
  query: PorsagerQuery,
  listener: { called(): void; failed(error: unknown): void },
): void {
  let { cursorFn } = query;
  const watched = (rows: unknown): unknown => {
    listener.called();
    try {
      const result = cursorFn?.(rows);
      if (result instanceof Promise) void result.then(undefined, (e) => listener.failed(e));
      return result;
    } catch (error) {
      listener.failed(error);
      throw error;
    }
  };
  // A cursor read as an iterator puts a new function in place at every batch.
  Object.defineProperty(query, "cursorFn", {
    configurable: true,
    get: () => watched,
    set: (next: typeof cursorFn) => {
      cursorFn = next;
    },
  });
}
