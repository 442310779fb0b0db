/**
 * Finds out by trying on how many connections single statements are served soonest.
 *
 * @module
 */

/** Fewest statements whose mean response time is one measurement; more, if more than half as many are on connections. */
const MEASURED = 192;
/** Fewest statements before them that are left out, as they were sent under the last setting; more, if so many are. */
const SETTLING = 64;
/** The same for the first measurement: all it has to tell is whether statements are short. */
const FIRST_MEASURED = 80;
const FIRST_SETTLING = 16;
/**
 * Shortest measurement, in milliseconds: time is told in whole ones, and answers come in bursts, between which all of it
 * passes. What takes no time at all is measured on so many times as many statements at most.
 */
const SHORTEST_MS = 10;
const FIRST_SHORTEST_MS = 3;
const MOST_TIMES = 16;
/** A setting is better when it takes at most this part of the time. */
const BETTER = 0.93;
/** At this part or less it is so much better that the present one need not be measured once more. */
const CLEARLY_BETTER = 0.4;
/**
 * Statements under trial, and milliseconds, after which a trial may be given up, and how many times as long they must have
 * taken for that.
 */
const GLANCE = 32;
const GLANCE_MS = 5;
const HOPELESS = 2;
/** Statements are short when one occupies a connection for no longer, in milliseconds. */
const SHORT_MS = 4;
/** The statements have changed when twice in a row they take this many times as long as they did. */
const CHANGED = 3;
/** A difference of so many statements in hand is none. */
const CROWD = 8;
/** So many trials may fail before the next ones become rarer. */
const EAGER = 3;
/** Most statements between two trials, about. */
const LONGEST_PAUSE = 16_384;

/**
 * Settles on the width with the shortest mean response time: 0 stands for a connection for each statement, a number for
 * that many connections shared by all.
 *
 * By trial, because no single measurement tells what is best: how long a statement takes on a connection depends on how
 * many others are served at the same time, and on who is the slowest of server, network and this process. Each trial
 * lasts a few hundred statements; those that fail become rarer.
 */
export class PipelineSearch {
  readonly #max: number;
  /** Widths from a connection for each statement to one for all. */
  readonly #ladder: readonly number[];
  #current = 0;
  /** Mean response time at `#current`, once measured, and how many statements were in hand then. */
  #currentMs: number | undefined;
  #currentInHand = 0;
  /** The one under trial. */
  #trial: number | undefined;
  /** The one whose trial went well, and the response time there: the present one is measured once more before it is left. */
  #found: { readonly rung: number; readonly ms: number } | undefined;
  /** The one with more connections whose trial went well once: chance alone makes one of many seem better. */
  #wonOnce: number | undefined;
  /** The one whose trial did not, while nobody knows whether that was the machine's fault. */
  #rejected: { readonly rung: number; readonly ms: number } | undefined;
  #isSecondTrial = false;
  /** Which trial is next: one step narrower, two steps, one connection, one step wider. */
  #next = 0;
  /** Trials in a row that found nothing better. */
  #failures = 0;
  #untilTrial = 1;
  /** How often in a row statements took much longer than before. */
  #changes = 0;
  #completed = 0;
  #areaMs = 0;
  /** How long the measurement has taken. */
  #elapsedMs = 0;
  /** How many statements were in hand when the measurement began. */
  #began = 0;
  /** Whether the present measurement is made in place of one that was of no use. */
  #isRepeated = false;
  /** Whether it begins after a pause. */
  #isResuming = false;
  /** Ends of settling and of the measurement, counted in statements. */
  #settled = FIRST_SETTLING;
  #end = FIRST_SETTLING + FIRST_MEASURED;

  /** @param max Most connections. */
  constructor(max: number) {
    const ladder = [0];
    for (let width = max; width >= 1; width = Math.floor(width / 2)) ladder.push(width);
    this.#max = max;
    this.#ladder = ladder;
  }

  /** On how many connections to serve; 0 for one each. */
  get width(): number {
    return this.#ladder[this.#trial ?? this.#current] ?? 0;
  }

  /**
   * A statement is over.
   *
   * @param areaMs Time since the last call, times the number of statements in hand meanwhile (Little's law: summed up
   * and divided by the number of statements, that is the mean response time).
   * @param inHand How many statements are sent or wait.
   * @param sent How many are on connections.
   */
  completed(areaMs: number, inHand: number, sent: number): void {
    const count = ++this.#completed;
    if (this.#isResuming) {
      this.#isResuming = false;
      this.#settled = Math.max(SETTLING, inHand);
      this.#end = this.#settled + Math.max(MEASURED, 2 * sent);
    }
    if (count <= this.#settled) return;
    if (count === this.#settled + 1) this.#began = inHand;
    this.#areaMs += areaMs;
    this.#elapsedMs += areaMs / Math.max(1, inHand);
    const measured = count - this.#settled;
    const meanMs = this.#areaMs / measured;
    if (!this.#isLongEnough(count, measured) && !this.#isHopeless(measured, meanMs)) return;
    this.#completed = this.#areaMs = this.#elapsedMs = 0;
    // A measurement of two crowds is none of either: it is made again, once. Where the next is alike, they come in waves.
    this.#isRepeated = !this.#isRepeated && isOtherCrowd(this.#began, inHand);
    if (this.#isRepeated) return;
    if (this.#trial === undefined) this.#measured(meanMs, inHand);
    else this.#tried(this.#trial, meanMs);
    this.#settled = Math.max(SETTLING, sent);
    this.#end = this.#settled + Math.max(MEASURED, 2 * sent);
  }

  #isLongEnough(count: number, measured: number): boolean {
    if (count < this.#end) return false;
    const shortestMs = this.#currentMs === undefined ? FIRST_SHORTEST_MS : SHORTEST_MS;
    return this.#elapsedMs >= shortestMs || measured >= MOST_TIMES * (this.#end - this.#settled);
  }

  #isHopeless(measured: number, meanMs: number): boolean {
    return this.#trial !== undefined && measured >= GLANCE && this.#elapsedMs >= GLANCE_MS &&
      meanMs > HOPELESS * (this.#currentMs ?? Infinity);
  }

  /**
   * Nothing was sent for a while: what comes next has to find its connections awake first, and is no measure of what was
   * being measured. Where that was begun after a pause itself, statements come in waves, and it goes on.
   */
  pause(): void {
    if (this.#isRepeated) return;
    this.#isRepeated = true;
    this.#completed = this.#areaMs = this.#elapsedMs = 0;
    this.#isResuming = this.#currentMs !== undefined;
  }

  #measured(meanMs: number, inHand: number): void {
    const knownMs = this.#currentMs ?? meanMs;
    if (this.#found !== undefined) return this.#compare(this.#found, meanMs);
    // Where ten times as many come, each takes ten times as long: that is no change.
    const crowd = Math.max(1, inHand / (this.#currentInHand || inHand));
    this.#changes = meanMs > CHANGED * crowd * knownMs ? this.#changes + 1 : 0;
    if (this.#changes === 1) return;
    if (this.#changes === 2) return this.#startOver(meanMs, inHand);
    const isFirst = this.#currentMs === undefined;
    this.#currentMs = (knownMs + meanMs) / 2;
    this.#currentInHand = inHand;
    if (this.#wasWronged(meanMs)) return;
    if (--this.#untilTrial > 0) return;
    // Those beyond the limit wait in the queue, on no connection.
    const occupiedMs = meanMs * Math.min(1, this.#max / inHand);
    // Statements that short are served soonest by one connection more often than not. Each step on the way there would
    // cost a trial, and a service that starts has its rush hour then.
    if (isFirst && occupiedMs <= SHORT_MS) this.#trial = this.#ladder.length - 1;
    else this.#startTrial();
  }

  /**
   * A machine that was busy with something else during a trial, and still is, makes the present one as slow: then the trial
   * is made again, once.
   */
  #wasWronged(presentMs: number): boolean {
    const rejected = this.#rejected;
    this.#rejected = undefined;
    if (rejected === undefined || !this.#isBetter(rejected.rung, rejected.ms, presentMs)) {
      return false;
    }
    this.#trial = rejected.rung;
    this.#isSecondTrial = true;
    this.#currentMs = presentMs;
    return true;
  }

  /** Statements have changed, or the machine has: what was found out counts no more. */
  #startOver(meanMs: number, inHand: number): void {
    this.#changes = this.#next = this.#failures = 0;
    this.#found = this.#rejected = this.#wonOnce = undefined;
    this.#untilTrial = 1;
    this.#currentMs = this.#current === 0 ? undefined : meanMs;
    this.#currentInHand = inHand;
    // Should they be slow by now, each does best on a connection of its own.
    if (this.#current !== 0) this.#trial = 0;
  }

  #startTrial(): void {
    const current = this.#current;
    const narrowest = this.#ladder.length - 1;
    const rungs = [current + 1, current + 2, narrowest, current - 1];
    for (let turn = 0; turn < rungs.length && this.#trial === undefined; turn++) {
      const rung = rungs[this.#next++ % rungs.length] ?? current;
      if (rung !== current && this.#ladder[rung] !== undefined) this.#trial = rung;
    }
  }

  #tried(rung: number, meanMs: number): void {
    const isSecond = this.#isSecondTrial;
    this.#trial = undefined;
    this.#isSecondTrial = false;
    const presentMs = this.#currentMs ?? Infinity;
    if (meanMs <= CLEARLY_BETTER * presentMs) this.#move(rung, meanMs);
    // A machine that was busy with something else before the trial is no reason to change.
    else if (this.#isBetter(rung, meanMs, presentMs)) this.#found = { rung, ms: meanMs };
    else {
      if (!isSecond) this.#rejected = { rung, ms: meanMs };
      this.#failed();
    }
  }

  #compare({ rung, ms }: { readonly rung: number; readonly ms: number }, presentMs: number): void {
    this.#found = undefined;
    if (!this.#isBetter(rung, ms, presentMs)) {
      this.#currentMs = ((this.#currentMs ?? presentMs) + presentMs) / 2;
      return this.#failed();
    }
    if (rung > 0 && rung < this.#current && this.#wonOnce !== rung) {
      this.#wonOnce = this.#trial = rung;
      // The shorter, so that statements that have become slow just now are noticed.
      this.#currentMs = Math.min(this.#currentMs ?? presentMs, presentMs);
      return;
    }
    this.#move(rung, ms);
  }

  #move(rung: number, ms: number): void {
    this.#current = rung;
    this.#currentMs = ms;
    this.#wonOnce = undefined;
    this.#failures = 0;
    this.#untilTrial = 1;
    // On in the same direction.
    this.#next = Math.max(0, this.#next - 1);
  }

  /** Fewer connections cost the server less, so they need not be faster; but to share any has to be worth it. */
  #isBetter(rung: number, ms: number, presentMs = Infinity): boolean {
    const isFewer = this.#current > 0 && rung > this.#current;
    return ms <= (isFewer ? 1 : BETTER) * presentMs;
  }

  #failed(): void {
    this.#wonOnce = undefined;
    this.#failures++;
    // The first ones may have fallen into a bad moment.
    const pause = 2 ** Math.max(0, this.#failures - EAGER);
    this.#untilTrial = Math.min(LONGEST_PAUSE / this.#end, pause);
  }
}

/** Whether far more, or fewer, statements are in hand than were. */
function isOtherCrowd(before: number, now: number): boolean {
  return Math.abs(now - before) > CROWD && (now > 2 * before || before > 2 * now);
}
