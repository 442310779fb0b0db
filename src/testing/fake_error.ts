/**
 * The errors of the fake server.
 *
 * @module
 */

import type { ErrorClass, LossScope } from "../core/driver.ts";

const LOSSES: Readonly<Record<ErrorClass, LossScope>> = {
  lost: "single",
  unavailable: "doubt",
  rejected: "own",
  statement: "own",
  unknown: "doubt",
};

/**
 * An error that came from the fake server or from the way to it; {@linkcode FakeError.kind} is what
 * `FakeDriver.classify` answers, {@linkcode FakeError.loss} what `FakeDriver.lossOf` does.
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
  /** What it means for the pool's other connections. */
  readonly loss: LossScope;

  /**
   * Makes an error of one kind.
   *
   * @param kind What it means for a pool.
   * @param message A sentence for people.
   * @param loss What it means for the pool's other connections; by default a connection that was lost was lost alone, of
   * a server that cannot be had nothing is known, and the rest means nothing.
   */
  constructor(kind: ErrorClass, message: string, loss: LossScope = LOSSES[kind]) {
    super(message);
    this.kind = kind;
    this.loss = loss;
  }

  /** Name of the class. */
  override get name(): string {
    return "FakeError";
  }
}
