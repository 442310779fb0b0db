/**
 * A driver without a database: it counts everything, and everything can be made to go wrong.
 *
 * @module
 */

import { type Clock, systemClock } from "../core/clock.ts";
import type {
  Command,
  ConnectionStatus,
  Driver,
  DriverCallOptions,
  DriverConnectOptions,
  ErrorClass,
  Evidence,
  LossScope,
  ResetLevel,
  Sharing,
} from "../core/driver.ts";
import { attemptConnect } from "./fake_attempt.ts";
import { FakeConnection } from "./fake_connection.ts";
import { FakeError } from "./fake_error.ts";
import { type BreakPoint, type FakeOperation, FaultPlan, type HeldCall } from "./fake_faults.ts";
import { type FakeCounts, type FakeEvent, FakeLedger } from "./fake_ledger.ts";
import type { Execution } from "./fake_session.ts";
import { type FakeServer, FakeWire } from "./fake_wire.ts";
import { WireCall } from "./wire_call.ts";

/** Options of a {@linkcode FakeDriver}. */
export interface FakeDriverOptions {
  /**
   * Time of delays and long statements.
   *
   * @default {systemClock}
   */
  readonly clock?: Clock;
  /**
   * Name of the driver.
   *
   * @default {"fake"}
   */
  readonly name?: string;
  /**
   * How its connections may be shared.
   *
   * @default {"exclusive"}
   */
  readonly sharing?: Sharing;
  /**
   * Whether connections that leases share are opened read-only, as a kind of their own.
   *
   * @default {false}
   */
  readonly readers?: boolean;
  /**
   * Whether it can tell what a connection is doing; one that cannot always answers `"unknown"`.
   *
   * @default {true}
   */
  readonly knowsStatus?: boolean;
}

/**
 * A driver without a database.
 *
 * All goes well until it is told otherwise: {@linkcode FakeDriver.refuse}, {@linkcode FakeDriver.delay} and
 * {@linkcode FakeDriver.hold} make the next calls of an operation fail, last, or never be answered;
 * {@linkcode FakeDriver.breakAt} and {@linkcode FakeDriver.break} break connections. What was asked for last comes last.
 *
 * @example A server that is down for two attempts
 * ```ts
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * const driver = new FakeDriver();
 * driver.refuse("connect", 2);
 * console.log(await driver.connect().catch((error: unknown) => driver.classify(error))); // "unavailable"
 * ```
 */
export class FakeDriver implements Driver<FakeConnection> {
  /** Name of the driver. */
  readonly name: string;
  /** How its connections may be shared. */
  readonly sharing: Sharing;
  /** Whether connections that leases share are opened read-only. */
  readonly readers: boolean;
  readonly #knowsStatus: boolean;
  readonly #server: FakeServer;
  readonly #wires = new Map<FakeConnection, FakeWire>();
  /** Also of connections that are gone. */
  readonly #allWires = new WeakMap<FakeConnection, FakeWire>();
  readonly #statements = new WeakMap<object, WireCall>();
  #attempts = 0;
  #lastId = 0;
  #peak = 0;

  /**
   * Makes a driver with a server of its own.
   *
   * @param options Clock and capabilities.
   */
  constructor(options: FakeDriverOptions = {}) {
    const { clock = systemClock, name = "fake", sharing = "exclusive", knowsStatus = true } =
      options;
    this.name = name;
    this.sharing = sharing;
    this.readers = options.readers ?? false;
    this.#knowsStatus = knowsStatus;
    this.#server = {
      clock,
      faults: new FaultPlan(),
      ledger: new FakeLedger(),
      held: new Set(),
      applied: [],
    };
  }

  // What happened

  /** How often each thing happened, over all connections; never zeroed. */
  get counts(): FakeCounts {
    return this.#server.ledger.counts;
  }

  /** Everything that happened, in order. */
  get log(): readonly FakeEvent[] {
    return this.#server.ledger.log;
  }

  /** What was written for good, in order. */
  get applied(): readonly string[] {
    return this.#server.applied;
  }

  /** The connections that are open now. */
  get connections(): readonly FakeConnection[] {
    return [...this.#wires.keys()];
  }

  /** How many connections are open or being opened now, as the server sees it. */
  get open(): number {
    return this.#wires.size + this.#attempts;
  }

  /** The most that {@linkcode FakeDriver.open} ever was. */
  get peak(): number {
    return this.#peak;
  }

  // What goes wrong

  /**
   * Refuses an operation.
   *
   * @param operation Which.
   * @param times How often; by default until {@linkcode FakeDriver.restore}.
   * @param error Why; by default the server cannot be had (connect), or refuses the statement.
   */
  refuse(operation: FakeOperation, times?: number, error?: Error): void {
    const reason = error ??
      (operation === "connect"
        ? new FakeError("unavailable", "the server cannot be had")
        : new FakeError("statement", `${operation} refused`));
    this.#server.faults.add(operation, { kind: "refuse", error: reason }, times ?? Infinity);
  }

  /** Refuses every connect for wrong credentials, until {@linkcode FakeDriver.restore}. */
  rejectCredentials(): void {
    this.refuse("connect", Infinity, new FakeError("rejected", "wrong credentials"));
  }

  /**
   * Answers an operation late.
   *
   * @param operation Which.
   * @param delayMs How late, in milliseconds of the driver's clock.
   * @param times How often; by default until {@linkcode FakeDriver.restore}.
   */
  delay(operation: FakeOperation, delayMs: number, times: number = Infinity): void {
    this.#server.faults.add(operation, { kind: "delay", delayMs }, times);
  }

  /**
   * Never answers an operation, unless one of {@linkcode FakeDriver.held} is let go.
   *
   * @param operation Which.
   * @param times How often; by default until {@linkcode FakeDriver.restore}.
   */
  hold(operation: FakeOperation, times: number = Infinity): void {
    this.#server.faults.add(operation, { kind: "hold" }, times);
  }

  /**
   * Breaks the connection under a statement, or under another call.
   *
   * @param point When.
   * @param times Under how many.
   * @param operation Under what.
   */
  breakAt(
    point: BreakPoint,
    times = 1,
    operation: Exclude<FakeOperation, "connect"> = "statement",
  ): void {
    this.#server.faults.add(operation, { kind: "break", point }, times);
  }

  /**
   * All goes well again for calls made from now on.
   *
   * @param operation Which; all when not given.
   */
  restore(operation?: FakeOperation): void {
    this.#server.faults.clear(operation);
  }

  /**
   * The calls that are without an answer because of {@linkcode FakeDriver.hold}, oldest first.
   *
   * @param operation Which; all when not given.
   * @returns The calls, to be answered or refused after all.
   */
  held(operation?: FakeOperation): HeldCall[] {
    const all = [...this.#server.held];
    return operation === undefined ? all : all.filter((call) => call.operation === operation);
  }

  /**
   * Breaks a connection now, from outside.
   *
   * @param connection Which.
   * @param cause Why.
   */
  break(
    connection: FakeConnection,
    cause: unknown = new FakeError("lost", "the connection broke"),
  ): void {
    this.#cut(connection, cause, "sent");
  }

  /**
   * Ends a session as an administrator does: what is in hand meets a fatal error.
   *
   * @param connection Which.
   */
  terminate(connection: FakeConnection): void {
    this.#cut(connection, new FakeError("lost", "terminated by an administrator"), "fatal");
  }

  // The contract

  /**
   * Opens a connection.
   *
   * @param options Carries the signal, and says whether it is read-only.
   * @returns The connection.
   */
  connect(options?: DriverConnectOptions): Promise<FakeConnection> {
    const signal = options?.signal;
    const readOnly = options?.readOnly ?? false;
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#server.ledger.record("connect");
    this.#attempts++;
    this.#peak = Math.max(this.#peak, this.open);
    return attemptConnect(this.#server, this.#server.faults.next("connect"), signal, {
      open: () => this.#open(readOnly),
      ended: () => this.#attempts--,
    });
  }

  /**
   * Closes a connection after what is in flight on it.
   *
   * @param connection Which.
   * @param options Carries the signal that destroys it instead.
   */
  async close(connection: FakeConnection, options?: DriverCallOptions): Promise<void> {
    const wire = this.#wireOf(connection);
    this.#record("close", wire);
    if (wire.gone) return;
    const signal = options?.signal;
    const destroy = (): void => wire.lose(undefined);
    if (signal?.aborted) return destroy();
    signal?.addEventListener("abort", destroy, { once: true });
    try {
      await wire.send(new WireCall("close", "", nothing), undefined);
    } finally {
      signal?.removeEventListener("abort", destroy);
    }
  }

  /**
   * Closes a connection now.
   *
   * @param connection Which.
   */
  destroy(connection: FakeConnection): void {
    const wire = this.#wireOf(connection);
    this.#record("destroy", wire);
    wire.lose(undefined);
  }

  /**
   * Asks for a sign of life.
   *
   * @param connection Whom.
   * @param options Carries the signal.
   */
  async ping(connection: FakeConnection, options?: DriverCallOptions): Promise<void> {
    const wire = this.#wireOf(connection);
    this.#record("ping", wire);
    await wire.send(new WireCall("ping", "", nothing), options?.signal);
  }

  /**
   * Cleans a session.
   *
   * @param connection Which.
   * @param level How much.
   * @param options Carries the signal.
   */
  async reset(
    connection: FakeConnection,
    level: ResetLevel,
    options?: DriverCallOptions,
  ): Promise<void> {
    const wire = this.#wireOf(connection);
    this.#record("reset", wire, level);
    const call = new WireCall("reset", level, () => wire.session.reset(level));
    await wire.send(call, options?.signal);
  }

  /**
   * Executes a command.
   *
   * @param connection Where.
   * @param command What.
   * @param options Carries the signal.
   */
  async execute(
    connection: FakeConnection,
    command: Command,
    options?: DriverCallOptions,
  ): Promise<void> {
    const wire = this.#wireOf(connection);
    this.#record("execute", wire, command.verb);
    const call = new WireCall("execute", command.verb, () => wire.session.command(command));
    await wire.send(call, options?.signal);
  }

  /**
   * Cancels the statement that a connection executes.
   *
   * @param connection Whose.
   * @param options Carries the signal.
   */
  cancel(connection: FakeConnection, options?: DriverCallOptions): Promise<void> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const wire = this.#wireOf(connection);
    this.#record("cancel", wire);
    // On a wire of its own, as the one in question is busy.
    const call = new WireCall("cancel", "", () => {
      wire.cancel();
      return DONE;
    });
    const courier = new FakeWire(wire.id, this.#server, () => {});
    return courier.send(call, signal).then(() => {});
  }

  /**
   * Tells whether a statement can be sent behind what is in flight: outside of a transaction it can.
   *
   * @param connection Which.
   * @returns Whether it can.
   */
  canPipeline(connection: FakeConnection): boolean {
    const wire = this.#wireOf(connection);
    return !wire.gone && wire.session.status === "idle";
  }

  /**
   * Tells what a connection is doing.
   *
   * @param connection Which.
   * @returns Its status; `"unknown"` for one that is gone.
   */
  status(connection: FakeConnection): ConnectionStatus {
    return this.#knowsStatus ? this.#wireOf(connection).status : "unknown";
  }

  /**
   * Tells when a connection is lost or closed.
   *
   * @param connection Which.
   * @param listener Receives the cause.
   */
  onLost(connection: FakeConnection, listener: (cause: unknown) => void): void {
    this.#wireOf(connection).onLost(listener);
  }

  /**
   * Tells how far a statement got.
   *
   * @param statement What {@linkcode FakeConnection.run} returned.
   * @returns What is known; `"sent"` for anything else.
   */
  evidence(statement: unknown): Evidence {
    const known = typeof statement === "object" && statement !== null
      ? this.#statements.get(statement)
      : undefined;
    return known?.evidence ?? "sent";
  }

  /**
   * Counts the calls that the server may have executed: statements, commands, resets. One that met a fatal error was not.
   *
   * @param connection Where.
   * @returns How many.
   */
  effects(connection: FakeConnection): number {
    return this.#wireOf(connection).effects;
  }

  /**
   * Tells what an error means.
   *
   * @param error Any error.
   * @returns The kind of a {@linkcode FakeError}; `"unknown"` for anything else.
   */
  classify(error: unknown): ErrorClass {
    return error instanceof FakeError ? error.kind : "unknown";
  }

  /**
   * Tells what a loss means for other connections.
   *
   * @param cause What was told of it.
   * @returns The loss of a {@linkcode FakeError}; `"own"` where nothing was told, as this side caused it; `"doubt"` for
   * anything else.
   */
  lossOf(cause: unknown): LossScope {
    if (cause instanceof FakeError) return cause.loss;
    return cause === undefined ? "own" : "doubt";
  }

  #open(readOnly: boolean): FakeConnection {
    const id = ++this.#lastId;
    const lost = (): void => void this.#wires.delete(connection);
    const wire = new FakeWire(id, this.#server, lost, readOnly);
    const connection = new FakeConnection(id, {
      get gone() {
        return wire.gone;
      },
      counts: wire.counts,
      readOnly,
      run: (text, signal) => this.#run(wire, text, signal),
    });
    this.#wires.set(connection, wire);
    this.#allWires.set(connection, wire);
    this.#record("open", wire);
    return connection;
  }

  #run(wire: FakeWire, text: string, signal: AbortSignal | undefined): Promise<string> {
    const call = new WireCall("statement", text, () => wire.session.execute(text));
    this.#statements.set(call.promise, call);
    return wire.send(call, signal);
  }

  #cut(connection: FakeConnection, cause: unknown, evidence: Evidence): void {
    const wire = this.#wireOf(connection);
    if (wire.gone) return;
    this.#record("break", wire);
    wire.lose(cause, evidence);
  }

  #wireOf(connection: FakeConnection): FakeWire {
    const wire = this.#allWires.get(connection);
    if (wire === undefined) throw new TypeError("The connection is not one of this driver");
    return wire;
  }

  #record(
    event: "open" | "break" | "close" | "destroy" | "ping" | "reset" | "execute" | "cancel",
    wire: FakeWire,
    detail = "",
  ): void {
    this.#server.ledger.record(event, wire, detail);
  }
}

const DONE: Execution = { kind: "answer", value: "" };

function nothing(): Execution {
  return DONE;
}
