/**
 * Columns of the tables.
 *
 * @module
 */

import { format, formatRatio } from "../statistics.ts";
import type { Metric, Results } from "./results.ts";

/** A column: its heading and how its cells are made. */
export interface Column {
  readonly head: string;
  /**
   * @param results All measurements.
   * @param kind The row.
   * @returns The cell.
   */
  cell(results: Results, kind: string): string;
}

/**
 * A time with its spread.
 *
 * @param head Heading.
 * @param of What.
 * @param unit Unit of the cells.
 * @returns The column.
 */
export function time(head: string, of: Metric, unit: "ns" | "µs" = "ns"): Column {
  const perUnit = unit === "ns" ? 1 : 1_000;
  return {
    head: `${head}, ${unit}`,
    cell(results, kind) {
      const value = results.ns(kind, of) / perUnit;
      if (Number.isNaN(value)) return results.cell(kind, of.scenario).excuse.short;
      return format(value) + results.spread(kind, of);
    },
  };
}

/**
 * By how much something takes longer than what is contained in it.
 *
 * @param head Heading.
 * @param of What.
 * @param part What is contained in it.
 * @returns The column.
 */
export function above(head: string, of: Metric, part: Metric): Column {
  return {
    head: `${head}, ns`,
    cell(results, kind) {
      const value = results.ns(kind, of) - results.ns(kind, part);
      return Number.isNaN(value) ? results.cell(kind, of.scenario).excuse.short : format(value);
    },
  };
}

/**
 * Anything that is not a time.
 *
 * @param head Heading with unit.
 * @param of What.
 * @param text Writes the median.
 * @returns The column.
 */
export function other(
  head: string,
  of: Metric,
  text: (median: number) => string = format,
): Column {
  return {
    head,
    cell(results, kind) {
      const value = results.median(kind, of);
      return Number.isNaN(value) ? results.cell(kind, of.scenario).excuse.short : text(value);
    },
  };
}

/**
 * How many times as much as a lower bound.
 *
 * @param base Name of the bound.
 * @param of What.
 * @returns The column.
 */
export function against(base: string, of: Metric): Column {
  return {
    head: `/ ${base}`,
    cell: (results, kind) => formatRatio(results.ratio(kind, base, of)),
  };
}

/**
 * How a cost grows.
 *
 * @param head Heading.
 * @param few The small case.
 * @param many The large one.
 * @returns The column.
 */
export function growth(head: string, few: Metric, many: Metric): Column {
  return {
    head,
    cell: (results, kind) => formatRatio(results.median(kind, many) / results.median(kind, few)),
  };
}
