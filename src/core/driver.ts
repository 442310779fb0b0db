/**
 * The contract between the core and a database driver. The core knows no SQL: all it asks of a driver is here.
 *
 * What a driver cannot know it says so (`"unknown"`, `undefined`), and the core takes the safe side.
 *
 * @module
 */

/**
 * How a connection may be shared (DB-API thread safety, behaviours.md 1.1): `"single"`: there is room for one connection
 * at a time, lent to one user at a time; `"exclusive"`: lent to one user at a time; `"multiplex"`: statements of several
 * users may be pipelined.
 */
export type Sharing = "single" | "exclusive" | "multiplex";

/** What a connection is doing, by the server's own word where the protocol has one. */
export type ConnectionStatus = "idle" | "in transaction" | "failed" | "busy" | "unknown";

/**
 * What is known of a statement's way: nothing that executes it left; it left; it was answered; or the server sent a
 * fatal error while it was in hand.
 */
export type Evidence = "unsent" | "sent" | "answered" | "fatal";

/** How much of a connection's state is cleaned when it is given back. */
export type ResetLevel = "none" | "rollback" | "session" | "discard";

/** Isolation levels of a transaction. */
export type IsolationLevel =
  | "read uncommitted"
  | "read committed"
  | "repeatable read"
  | "serializable";

/** What the core asks a driver to execute; the driver translates it to its database's language. */
export type Command =
  | {
    /** Starts a transaction. */
    readonly verb: "begin";
    /** Isolation level; the database's default when not given. */
    readonly isolation?: IsolationLevel;
    /** Whether the transaction may write; the session's default when not given. */
    readonly readOnly?: boolean;
    /** Whether a serializable read-only transaction waits for a safe snapshot. */
    readonly deferrable?: boolean;
  }
  | {
    /** Ends a transaction. */
    readonly verb: "commit" | "rollback";
  }
  | {
    /** Savepoints: set, forget, return to. */
    readonly verb: "savepoint" | "release savepoint" | "rollback to savepoint";
    /** Name of the savepoint; the driver quotes it. */
    readonly name: string;
  }
  | {
    /** A statement of the session's set-up. */
    readonly verb: "session";
    /** Its text, in the database's language. */
    readonly text: string;
  };

/**
 * What an error means for the pool: the connection is gone; the server cannot be had now but may be later; the server
 * will go on refusing until somebody changes something (wrong password, no such database); the server refused one
 * statement; or nothing is known.
 */
export type ErrorClass = "lost" | "unavailable" | "rejected" | "statement" | "unknown";

/**
 * What the end of one connection, or of an attempt to open one, says about the pool's other connections: nothing, as this
 * process or the server ended that one alone, or had no room for it; perhaps something (`"doubt"`: nobody answered, or the
 * driver cannot tell); the server ended this one, so that the others have to be asked (`"single"`: two within a second are
 * taken for the end of all); or all are gone or useless (`"generation"`: the server stops, crashed, refuses to be
 * connected to, or may no longer be written to).
 */
export type LossScope = "own" | "doubt" | "single" | "generation";

/** Options of a driver's asynchronous operations. */
export interface DriverCallOptions {
  /** Aborts the operation; the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
}

/** What a driver knows of one of its connections. */
export interface ConnectionDescription {
  /** Process id of the server's end. */
  readonly pid?: number;
  /** The last statement on it, without any values: of no parameter, and none that were written into its text. */
  readonly statement?: string;
}

/** Options of {@linkcode Driver.connect}. */
export interface DriverConnectOptions extends DriverCallOptions {
  /**
   * Whether the connection is one of those that are read-only; asked only of drivers that say they have
   * {@linkcode Driver.readers}.
   *
   * @default {false}
   */
  readonly readOnly?: boolean;
}

/** Opens, watches and closes physical connections of type `C`. */
export interface Driver<C> {
  /** Name of the driver, for messages. */
  readonly name: string;
  /** How its connections may be shared. */
  readonly sharing: Sharing;
  /**
   * Whether connections that are shared by leases are to be opened read-only, as another kind that is of no use to who
   * wants one for itself. Without it they are like any other.
   */
  readonly readers?: boolean;
  /**
   * Opens one physical connection, ready for its first statement. It never reopens by itself.
   *
   * @param options Carries the signal that ends the attempt, when the driver leaves nothing behind, and says which kind is
   * wanted.
   * @returns The connection.
   */
  connect(options?: DriverConnectOptions): Promise<C>;
  /**
   * Closes in an orderly way; resolved when the connection is gone.
   *
   * @param connection What to close.
   * @param options Carries the signal after which waiting is given up and the connection destroyed.
   */
  close(connection: C, options?: DriverCallOptions): Promise<void>;
  /**
   * Closes now, without asking the server. Never throws; idempotent.
   *
   * @param connection What to destroy.
   */
  destroy(connection: C): void;
  /**
   * Asks the server for a sign of life.
   *
   * @param connection Whom to ask.
   * @param options Carries the signal.
   */
  ping(connection: C, options?: DriverCallOptions): Promise<void>;
  /**
   * Cleans the session's state after use; rejects if it could not.
   *
   * @param connection What to clean.
   * @param level How much.
   * @param options Carries the signal.
   */
  reset(connection: C, level: ResetLevel, options?: DriverCallOptions): Promise<void>;
  /**
   * Executes a transaction verb or a session statement.
   *
   * @param connection Where.
   * @param command What.
   * @param options Carries the signal.
   */
  execute(connection: C, command: Command, options?: DriverCallOptions): Promise<void>;
  /**
   * Asks the server to cancel what the connection executes now; resolved when the server has taken notice.
   *
   * @param connection Whose statement.
   * @param options Carries the signal.
   */
  cancel(connection: C, options?: DriverCallOptions): Promise<void>;
  /**
   * Tells what the connection is doing; synchronous and cheap, asked at every release.
   *
   * @param connection Which one.
   * @returns Its status; `"unknown"` if the driver cannot tell.
   */
  status(connection: C): ConnectionStatus;
  /**
   * Tells whether a single statement of another user can be sent behind what is in flight; asked only of drivers whose
   * `sharing` is `"multiplex"`. A driver without it never gets two statements at a time.
   *
   * @param connection Which one.
   * @returns Whether it can now.
   */
  canPipeline?(connection: C): boolean;
  /**
   * Calls `listener` once when the connection is lost or closed, whoever caused it; at once if it already is.
   *
   * @param connection Which one.
   * @param listener Receives what is known of the cause.
   */
  onLost(connection: C, listener: (cause: unknown) => void): void;
  /**
   * Tells how far a statement got.
   *
   * @param statement The driver's own handle of a statement.
   * @returns What is known; `"sent"` is the safe answer.
   */
  evidence(statement: unknown): Evidence;
  /**
   * Counts what may have had an effect on a connection so far: all that left this process on it and executes something,
   * but for what is provably without effect (DESIGN 5.2, `not-applied`). Two such counts tell whether a unit of work can
   * be done again. Without it nothing that may have begun is done again unasked.
   *
   * @param connection Which one; it may be lost.
   * @returns A count that never falls but by what turned out to be without effect.
   */
  effects?(connection: C): number;
  /**
   * Tells more about a connection, for who inspects the pool; synchronous.
   *
   * @param connection Which one.
   * @returns What the driver knows.
   */
  describe?(connection: C): ConnectionDescription;
  /**
   * Tells what an error means for the pool.
   *
   * @param error Any error that came out of this driver.
   * @returns Its class; `"unknown"` if the driver cannot tell.
   */
  classify(error: unknown): ErrorClass;
  /**
   * Tells what a loss, or a failed connect, means for the other connections. Without it every lost connection counts as
   * `"single"`, every failed connect as `"doubt"`.
   *
   * @param cause What {@linkcode Driver.onLost} was told, or what {@linkcode Driver.connect} was rejected with.
   * @returns How far it reaches; `"doubt"` if the driver cannot tell. Never throws.
   */
  lossOf?(cause: unknown): LossScope;
}
