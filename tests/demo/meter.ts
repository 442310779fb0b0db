/**
 * Counts and times, as the client sees them.
 *
 * @module
 */

/** The kinds of requests. */
export type RequestKind = "order" | "lookup" | "sums";

/** How often something was. */
export interface Count {
  readonly kind: string;
  readonly count: number;
}

/** A stretch of time, in milliseconds since the start. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Measures from when it is made. */
export class Meter {
  readonly #started = performance.now();
  readonly #latencies: Record<RequestKind, number[]> = { order: [], lookup: [], sums: [] };
  readonly #errors = new Map<string, number>();
  /** Requests that failed although it was known that nothing came of them: they could have been carried out again. */
  needless = 0;
  readonly #refusals = new Map<string, number>();
  readonly #acknowledgements: number[] = [];
  readonly #sessions = new Map<number, number>();
  readonly #watchers = new Set<{ readonly since: number; readonly resolve: () => void }>();
  #ended: number | undefined;
  /** Orders that were sent again. */
  retries = 0;

  /** Milliseconds since the start, up to the end. */
  get elapsedMs(): number {
    return this.#ended ?? performance.now() - this.#started;
  }

  /** No more is asked for. */
  end(): void {
    this.#ended ??= this.elapsedMs;
  }

  /**
   * A response came.
   *
   * @param kind To what.
   * @param latencyMs After which time.
   */
  responded(kind: RequestKind, latencyMs: number): void {
    this.#latencies[kind].push(latencyMs);
  }

  /**
   * A request failed.
   *
   * @param kind How.
   */
  failed(kind: string): void {
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
  }

  /**
   * The service turned a request down, as it should.
   *
   * @param kind Why.
   */
  refused(kind: string): void {
    this.#refusals.set(kind, (this.#refusals.get(kind) ?? 0) + 1);
  }

  /**
   * An order was acknowledged.
   *
   * @param sentAt When the request was sent, in milliseconds since the start.
   */
  acknowledged(sentAt: number): void {
    this.#acknowledgements.push(this.elapsedMs);
    for (const watcher of this.#watchers) {
      if (sentAt < watcher.since) continue;
      this.#watchers.delete(watcher);
      watcher.resolve();
    }
  }

  /**
   * Waits for an order to be acknowledged.
   *
   * @param since When it must have been sent, at the earliest.
   */
  acknowledgedSince(since: number): Promise<void> {
    return new Promise((resolve) => this.#watchers.add({ since, resolve }));
  }

  /**
   * A backend took an order.
   *
   * @param pid Its process id.
   */
  sessionSeen(pid: number): void {
    if (!this.#sessions.has(pid)) this.#sessions.set(pid, this.elapsedMs);
  }

  /** How many requests of a kind had a response. */
  count(kind: RequestKind): number {
    return this.#latencies[kind].length;
  }

  /** How long requests of a kind took, in no order. */
  latencies(kind: RequestKind): readonly number[] {
    return this.#latencies[kind];
  }

  /** Errors by kind. */
  get errors(): readonly Count[] {
    return sorted(this.#errors);
  }

  /** Requests turned down, by reason. */
  get refusals(): readonly Count[] {
    return sorted(this.#refusals);
  }

  /** How many requests failed. */
  get errorCount(): number {
    return this.errors.reduce((sum, { count }) => sum + count, 0);
  }

  /** Orders acknowledged in a stretch of time. */
  acknowledgedIn({ from, to }: Stretch): number {
    return this.#acknowledgements.filter((at) => at >= from && at < to).length;
  }

  /** Backends that served for the first time in a stretch of time. */
  sessionsIn({ from, to }: Stretch): number {
    return [...this.#sessions.values()].filter((at) => at >= from && at < to).length;
  }

  /** The longest time without an order acknowledged, the ones before the first and after the last included. */
  get longestStall(): Stretch {
    let longest: Stretch = { from: 0, to: 0 };
    let from = 0;
    for (const to of [...this.#acknowledgements, this.elapsedMs]) {
      if (to - from > longest.to - longest.from) longest = { from, to };
      from = to;
    }
    return longest;
  }
}

/** The most frequent first. */
function sorted(counts: ReadonlyMap<string, number>): Count[] {
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
}

/**
 * Finds the value that a share of the samples does not exceed.
 *
 * @param samples The samples, in any order.
 * @param share From 0 to 1.
 * @returns The value; NaN of nothing.
 */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
