/**
 * Where a connection was asked for.
 *
 * @module
 */

/** What is known of where a connection was asked for. */
export interface Site {
  /** The `label` of the acquire. */
  readonly label: string | undefined;
  /** The stack of the call, where one was taken. */
  readonly stack: string | undefined;
}
