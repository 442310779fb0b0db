/**
 * The errors of the fake server.
 *
 * @module
 */

import type { ErrorClass } from "../core/driver.ts";

/**
 * An error that came from the fake server or from the way to it; {@linkcode FakeError.kind} is what
 * `FakeDriver.classify` answers.
 *
 * @example Tell the kinds apart
 * ```ts
 * import { FakeDriver, FakeError } from "@steady/pool/testing";
 *
 * const connection = await new FakeDriver().connect();
 * const error: unknown = await connection.run("fail").catch((error: unknown) => error);
 * console.log(error instanceof FakeError && error.kind); // "statement"
 * ```
 */
export class FakeError extends Error {
  /** What it means for a pool. */
  readonly kind: ErrorClass;

  /**
   * Makes an error of one kind.
   *
   * @param kind What it means for a pool.
   * @param message A sentence for people.
   */
  constructor(kind: ErrorClass, message: string) {
    super(message);
    this.kind = kind;
  }

  /** Name of the class. */
  override get name(): string {
    return "FakeError";
  }
}
