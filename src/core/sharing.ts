/**
 * How many connections of a driver there may be.
 *
 * @module
 */

import type { Sharing } from "./driver.ts";
import { checkWord, show } from "./validate.ts";

const SHARING: readonly Sharing[] = ["single", "exclusive", "multiplex"];

/**
 * Tells how many connections of a driver there may be at a time, by what it says of itself.
 *
 * @param driver The driver.
 * @returns 1 if it has room for one only, else `Infinity`.
 * @throws {TypeError} If it is no driver, or says nothing known of how its connections may be shared.
 */
export function mostConnections(driver: { readonly sharing: Sharing }): number {
  const action = "create pool";
  if (typeof driver !== "object" || driver === null) {
    throw new TypeError(`Cannot ${action} as driver must be a Driver: received ${show(driver)}`);
  }
  const sharing = checkWord(action, "driver.sharing", driver.sharing, SHARING);
  return sharing === "single" ? 1 : Infinity;
}
