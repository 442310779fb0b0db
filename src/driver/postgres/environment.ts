/**
 * What the surroundings tell about the connection that is wanted. What may not be read is taken for not set: whoever
 * gives everything in the URL needs no permission for it.
 *
 * @module
 */

import process from "node:process";

/** A permission of Deno's, as it is asked for. */
type Permission =
  | { readonly name: "env"; readonly variable: string }
  | { readonly name: "sys"; readonly kind: string };

/** As much of Deno's permissions as is needed here. */
interface Permissions {
  querySync(permission: Permission): { readonly state: string };
}

/** Permissions of the runtime, where it has such a thing. */
const permissions: Permissions | undefined =
  (Reflect.get(globalThis, "Deno") as { readonly permissions?: Permissions } | undefined)
    ?.permissions;

/** Without asking first, Deno would ask the person at the terminal, for one variable after the other. */
function isAllowed(permission: Permission): boolean {
  return permissions === undefined || permissions.querySync(permission).state === "granted";
}

/**
 * Reads a variable of the environment.
 *
 * @param name Its name.
 * @returns Its value; `undefined` if it is not set, empty, or may not be read.
 */
export function readVariable(name: string): string | undefined {
  if (!isAllowed({ name: "env", variable: name })) return undefined;
  return process.env[name] || undefined;
}

/** What the system wants to be allowed before it tells the user's name. */
const USER_PERMISSIONS: readonly string[] = ["uid", "gid", "userInfo"];

/**
 * Reads the name of the operating system's user.
 *
 * @returns The name; `undefined` if nobody may, or can, tell.
 */
export function readSystemUser(): string | undefined {
  if (USER_PERMISSIONS.every((kind) => isAllowed({ name: "sys", kind }))) {
    try {
      // Not imported: not every runtime has it, and where the user is given nobody needs it.
      return process.getBuiltinModule("node:os").userInfo().username;
    } catch {
      // No such module, or no such user: the environment may know.
    }
  }
  return readVariable("USERNAME") ?? readVariable("USER") ?? readVariable("LOGNAME");
}
