/**
 * How fast the machine is just now.
 *
 * On a shared machine the same code takes 1.0 to 2.5 times as long from one second to the next. A fixed piece of work of
 * the same nature (promises, turns, small objects) is timed right before and after each sample, and the sample is
 * expressed in its units; that takes the spread of a median from about 20 % to 5 %.
 *
 * @module
 */

import { median } from "../statistics.ts";
import { processorNs } from "./processor_time.ts";

const STEPS = 4_000;
const TURNS = 7;
const WARM_UP_MS = 60;

interface Link {
  next: Link | undefined;
  readonly value: number;
}

/** Times work and the machine. */
export class Yardstick {
  readonly #readings: number[] = [];
  #last: Link | undefined;

  private constructor() {}

  /** @returns A yardstick whose code is compiled. */
  static async create(): Promise<Yardstick> {
    const yardstick = new Yardstick();
    const end = performance.now() + WARM_UP_MS;
    while (performance.now() < end) await yardstick.#read();
    return yardstick;
  }

  /** What a step took, in nanoseconds, at each sample. */
  get readings(): readonly number[] {
    return this.#readings;
  }

  /**
   * Measures.
   *
   * @param work Something that measures itself.
   * @returns What it measured, and how many nanoseconds a step of the yardstick took meanwhile.
   */
  async beside<T>(work: () => Promise<T>): Promise<{ result: T; stepNs: number }> {
    const before = await this.#readCalmly();
    const result = await work();
    const stepNs = (before + await this.#readCalmly()) / 2;
    this.#readings.push(stepNs);
    return { result, stepNs };
  }

  /**
   * A reading without collections of the pool's garbage and moments without the processor. (To collect the garbage
   * before would be simpler, but an explicit collection makes V8 forget compiled code: the next sample would take twice
   * as long.)
   */
  async #readCalmly(): Promise<number> {
    const readings: number[] = [];
    while (readings.length < TURNS) readings.push(await this.#read());
    return median(readings);
  }

  async #read(): Promise<number> {
    const start = processorNs();
    for (let i = 0; i < STEPS; i++) {
      const link: Link = { next: this.#last, value: i };
      await undefined;
      this.#last = link;
      link.next = undefined;
    }
    return (processorNs() - start) / STEPS;
  }
}
