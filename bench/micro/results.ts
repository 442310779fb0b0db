/**
 * All cells of a run, and what the tables ask of them.
 *
 * @module
 */

import { format, median } from "../statistics.ts";
import { Cell } from "./cell.ts";

/** A metric of a scenario. */
export interface Metric {
  readonly scenario: string;
  readonly metric: string;
}

/** All measurements of a run. */
export class Results {
  readonly #cells = new Map<string, Cell>();

  /**
   * @param kind Name of a pool.
   * @param scenario Name of a scenario.
   * @returns Their cell.
   */
  cell(kind: string, scenario: string): Cell {
    const key = `${kind}\n${scenario}`;
    let cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, cell = new Cell());
    return cell;
  }

  /** What a step of the yardstick took, in nanoseconds: every reading of the run. */
  get stepNs(): readonly number[] {
    return [...this.#cells.values()].flatMap((cell) => cell.stepNs);
  }

  /**
   * @param kind Name of a pool.
   * @param of What of it.
   * @returns The median; `NaN` if there is no sample.
   */
  median(kind: string, of: Metric): number {
    return median(this.cell(kind, of.scenario).samples(of.metric));
  }

  /**
   * @param kind Name of a pool.
   * @param of A time of it.
   * @returns The median in nanoseconds at the median speed of the machine; `NaN` if there is no sample.
   */
  ns(kind: string, of: Metric): number {
    return this.median(kind, of) * median(this.stepNs);
  }

  /**
   * @param kind Name of a pool.
   * @param base Name of the pool it is compared with.
   * @param of What of them.
   * @returns The ratio of their medians; `NaN` if one has no sample.
   */
  ratio(kind: string, base: string, of: Metric): number {
    return this.median(kind, of) / this.median(base, of);
  }

  /**
   * @param kind Name of a pool.
   * @param of What of it.
   * @returns How far half of the samples are from the median, such as `±5%`.
   */
  spread(kind: string, of: Metric): string {
    const samples = this.cell(kind, of.scenario).samples(of.metric);
    const middle = median(samples);
    if (samples.length < 2) return "";
    const deviation = median(samples.map((sample) => Math.abs(sample - middle)));
    return ` ±${format(Math.round(100 * deviation / middle))}%`;
  }
}
