/**
 * How far the demo is, for people who wait.
 *
 * @module
 */

import type { PoolStats } from "../../src/core/stats.ts";
import type { Meter } from "./meter.ts";
import type { Terminal } from "./terminal.ts";

const BAR_LENGTH = 16;
const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 1_000;

/** What it shows. */
export interface ProgressSource {
  readonly meter: Meter;
  /** When it ends, in milliseconds since the start of the measurement. */
  readonly endMs: () => number;
  /** Counts of the pool; undefined if there is none that lives longer than a request. */
  readonly pool: (() => Promise<PoolStats>) | undefined;
}

function describe({ meter, endMs }: ProgressSource, pool: string): string {
  const { elapsedMs } = meter;
  const done = Math.min(BAR_LENGTH, Math.round(BAR_LENGTH * elapsedMs / endMs()));
  const bar = "#".repeat(done).padEnd(BAR_LENGTH, ".");
  const lastSecond = meter.acknowledgedIn({ from: elapsedMs - 1_000, to: Infinity });
  const orders = meter.acknowledgedIn({ from: 0, to: Infinity }).toLocaleString("en-US");
  return `${secondsOf(elapsedMs)} [${bar}] ${orders} orders, ${lastSecond}/s, ` +
    `${meter.errorCount} errors${pool}`;
}

async function describePool({ pool }: ProgressSource): Promise<string> {
  if (pool === undefined) return "";
  try {
    const { total, max, waiters } = await pool();
    return `; pool ${total}/${max}, ${waiters} waiting`;
  } catch {
    return "; pool unknown";
  }
}

/**
 * Writes a time as all lines of the demo have it.
 *
 * @param ms Milliseconds since the start.
 * @returns Such as `"  4.2 s"`.
 */
export function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(1).padStart(5)} s`;
}

/**
 * Shows it until disposed of.
 *
 * @param terminal Where.
 * @param source What.
 * @returns Disposing takes it away.
 */
export function showProgress(terminal: Terminal, source: ProgressSource): Disposable {
  let ended = false;
  const show = async (): Promise<void> => {
    const pool = await describePool(source);
    if (!ended) terminal.status(describe(source, pool));
  };
  const timer = setInterval(
    show,
    terminal.interactive ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS,
  );
  return {
    [Symbol.dispose]() {
      ended = true;
      clearInterval(timer);
      terminal.status("");
    },
  };
}
