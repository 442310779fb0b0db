/**
 * What the measuring process is told and what it tells.
 *
 * @module
 */

/** One restart. */
export interface RecoveryInput {
  /** Size of the pool, and number of workers. */
  readonly size: number;
  /** How long the server is away, beside what it needs for itself, in milliseconds. */
  readonly downMs: number;
}

/** What came of it; times from the crash. */
export interface RecoveryReport {
  /** When somebody else was served again. */
  readonly backMs: number;
  /** When the pool's first statement succeeded. */
  readonly firstMs: number;
  /** When every worker had succeeded again. */
  readonly allMs: number;
  /** Longest pause between two attempts that the pool was at when the server was back. */
  readonly stepMs: number;
  /** Attempts to connect that failed, from the crash on. */
  readonly failedConnects: number;
  /** Connections that were opened, from the crash until every worker had succeeded. */
  readonly connects: number;
  /** Statements that were rejected. */
  readonly failedStatements: number;
}
