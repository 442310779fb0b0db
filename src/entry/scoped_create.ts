/**
 * How `createPool` is made for runtimes whose connections belong to one request.
 *
 * @module
 */

import { resolvePoolOptions } from "../core/options.ts";
import type { ConnectOptions, Runtime, SocketAddress } from "../core/runtime.ts";
import { show } from "../core/validate.ts";
import { PostgresDriver } from "../driver/postgres/driver.ts";
import {
  type PostgresTypes,
  type ResolvedPostgresOptions,
  resolvePostgresOptions,
} from "../driver/postgres/options.ts";
import type { TypeMemory } from "../driver/postgres/type_gate.ts";
import type { WaitUntil } from "./invocation.ts";
import { type CreatePoolOptions, type SplitOptions, splitOptions } from "./options.ts";
import { PostgresPool } from "./postgres_pool.ts";
import { ScopedPool } from "./scoped_pool.ts";

/** Most connections of one request, unless said otherwise. */
const MAX = 5;

/** Stands for a URL that is not known yet, to check the options by. */
const SOME_URL = "postgres://user@localhost/";

/** How a pool is made: `createPool` of `./workerd`. */
export interface CreateScopedPool {
  /**
   * Makes a pool of PostgreSQL connections. It is configuration only: nothing is opened, and no timer set, before the
   * first use within a request, see {@linkcode ScopedPool.scoped}.
   *
   * @param url Connection URL, `postgres://user:password@host:port/database?parameter=value`, or a function that gives
   * it, called once in each request that uses the pool.
   * @param options Options of pool and driver; they win over the URL.
   * @returns The pool.
   * @throws {TypeError} If the URL or an option is wrong, does not exist, or cannot be kept on this runtime. No message
   * shows a password.
   * @throws {RangeError} If an option is out of range.
   */
  <T extends PostgresTypes = Record<never, never>>(
    url: string | (() => string),
    options?: CreatePoolOptions<T>,
  ): ScopedPool<T>;
}

/** What a runtime supplies beside sockets. */
export interface ScopedRuntime {
  /** Supplies sockets and async context. */
  readonly runtime: Runtime;
  /** Keeps the request that runs alive, where the runtime can. */
  readonly waitUntil: WaitUntil | undefined;
  /** Throws if a connection cannot be opened as wanted. */
  readonly check: (address: SocketAddress, options: ConnectOptions) => unknown;
}

/** Where and how connections are opened; for one URL, and for all requests. */
interface Source<T extends PostgresTypes> {
  readonly url: string;
  readonly pool: SplitOptions<T>["pool"];
  readonly front: SplitOptions<T>["front"];
  readonly postgres: ResolvedPostgresOptions;
  readonly types: TypeMemory;
}

/**
 * Makes the `createPool` of an entry.
 *
 * @param supplied What the runtime supplies.
 * @returns The function.
 */
export function createScopedPoolOn({ runtime, waitUntil, check }: ScopedRuntime): CreateScopedPool {
  return <T extends PostgresTypes>(
    url: string | (() => string),
    options?: CreatePoolOptions<T>,
  ): ScopedPool<T> => {
    const read = (text: string): Source<T> => {
      const { url, pool, postgres, front } = splitOptions<T>(text, options);
      const resolved = resolvePostgresOptions(url, postgres, runtime);
      const { address, tls } = resolved.endpoint;
      check(address, {
        secureTransport: tls === undefined ? "off" : tls.direct ? "on" : "starttls",
        tls: tls?.tls,
      });
      return {
        url: text,
        pool: { max: MAX, ...pool },
        front,
        postgres: resolved,
        types: { learnt: false, forgotten: 0 },
      };
    };
    // At once, so that a mistake is found before the first request.
    let source = read(typeof url === "function" ? SOME_URL : url);
    resolvePoolOptions(source.pool);
    return ScopedPool.create<T>({
      current: runtime.contextVariable(),
      makePool(gate) {
        const text = typeof url === "function" ? urlFrom(url) : url;
        if (text !== source.url) source = read(text);
        const driver = new PostgresDriver(runtime, source.postgres, source.types);
        return PostgresPool.create<T>(
          driver,
          { context: runtime, ...source.pool },
          source.front,
          gate,
        );
      },
    }, waitUntil);
  };
}

function urlFrom(url: () => string): string {
  const text: unknown = url();
  if (typeof text === "string") return text;
  throw new TypeError(
    `Cannot create pool as the function for the url must return a string: received ${show(text)}`,
  );
}
