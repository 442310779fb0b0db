/**
 * Whether a pool lends for the time being.
 *
 * @module
 */

/** A pause in lending: whoever asks waits, all else goes on. */
export class Suspension {
  /** Whether nothing is lent. A plain field, as it is read at every acquire. */
  on = false;
}
