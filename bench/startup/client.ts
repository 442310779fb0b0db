/**
 * What is started.
 *
 * @module
 */

/** Fetches the first row over a fresh pool. */
export interface Client {
  /**
   * @param url Where the server is.
   * @returns Closes the pool.
   */
  firstRow(url: string): Promise<() => Promise<void>>;
}
