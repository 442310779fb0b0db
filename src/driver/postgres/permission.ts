/**
 * What to tell whoever runs the program without the permissions it needs (Deno).
 *
 * @module
 */

import type { SocketAddress } from "../../core/runtime.ts";

/** Name of Deno's own error, by which ours is known too. */
const NOT_CAPABLE = "NotCapable";

/**
 * Tells a missing permission from all other errors: no attempt without it can succeed.
 *
 * @param error Anything.
 * @returns Whether it stands for a missing permission.
 */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && (error.name === NOT_CAPABLE || isDeniedLookup(error));
}

/** What Deno's `node:net` makes of it when the address is a host name. */
function isDeniedLookup(error: Error): boolean {
  return Reflect.get(error, "code") === "EPERM" && Reflect.get(error, "syscall") === "getaddrinfo";
}

/**
 * Adds to a missing permission how to give it: Deno's own error names neither host nor port in the flag, and asks for the
 * three that a Unix socket needs one after the other.
 *
 * @param error Why a connect failed.
 * @param address Where to.
 * @returns An error that names the flags, if a permission is missing; else the error itself.
 */
export function explainDenied(error: unknown, address: SocketAddress): unknown {
  if (!isDenied(error)) return error;
  const target = "path" in address ? address.path : hostAndPort(address);
  const flags = "path" in address
    ? `--allow-read=${target} --allow-write=${target} --allow-net=unix:${target}`
    : `--allow-net=${target}`;
  const explained = new Error(
    `the program has no permission to connect to ${target}, run it with ${flags}`,
    { cause: error },
  );
  return Object.assign(explained, { name: NOT_CAPABLE });
}

function hostAndPort({ hostname, port }: { hostname: string; port: number }): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
