/**
 * Medians and spreads.
 *
 * @module
 */

/**
 * @param samples Numbers.
 * @returns The median; `NaN` of nothing.
 */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  if (sorted.length % 2 === 1) return upper;
  return ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/**
 * Writes a number with three significant digits at most, thousands separated.
 *
 * @param value The number.
 * @returns Its text.
 */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/**
 * Writes a median with the range it comes from.
 *
 * @param samples The samples; may be empty.
 * @returns `median [least–greatest]`.
 */
export function formatSpread(samples: readonly number[]): string {
  if (samples.length === 0) return "–";
  const [least, greatest] = [Math.min(...samples), Math.max(...samples)];
  return `${format(median(samples))} [${format(least)}–${format(greatest)}]`;
}

/**
 * Writes a ratio.
 *
 * @param value The ratio.
 * @returns Its text, such as `×1.25`.
 */
export function formatRatio(value: number): string {
  return Number.isFinite(value) ? `×${value < 10 ? value.toFixed(2) : format(value)}` : "–";
}
