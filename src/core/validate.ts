/**
 * Checks of options: a bad one is refused at once, naming rule and value.
 *
 * @module
 */

/**
 * Puts a value into a message without ever showing text that could hold a secret, such as a URL in the wrong place.
 *
 * @param value What was received.
 * @returns Numbers, booleans, `null` and `undefined` as they are, short quoted words, else the type.
 */
export function show(value: unknown): string {
  if (typeof value === "string") return /^[\w.+-]{0,40}$/.test(value) ? `"${value}"` : "a string";
  if (value === null || typeof value !== "object" && typeof value !== "function") {
    return String(value);
  }
  return Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}

/**
 * Refuses option names that are not known: a misspelt option would otherwise be ignored in silence.
 *
 * @param action What is being done, for the message.
 * @param options The options received.
 * @param known The names that exist.
 * @throws {TypeError} If the options are not an object, or a name is unknown.
 */
export function checkNames(action: string, options: unknown, known: ReadonlySet<string>): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`Cannot ${action} as options must be an object: received ${show(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new TypeError(`Cannot ${action} as there is no option "${name}"`);
    }
  }
}

/**
 * Checks a whole number.
 *
 * @param action What is being done, for the message.
 * @param name Name of the option.
 * @param value What was received.
 * @param min Smallest value allowed.
 * @param infinity Whether `Infinity` is allowed.
 * @returns The value.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is a number out of range.
 */
export function checkInteger(
  action: string,
  name: string,
  value: unknown,
  min: number,
  infinity: boolean,
): number {
  const rule = `${name} must be an integer >= ${min}${infinity ? " or Infinity" : ""}`;
  if (typeof value !== "number") {
    throw new TypeError(`Cannot ${action} as ${rule}: received ${show(value)}`);
  }
  if (infinity && value === Infinity) return value;
  if (!Number.isInteger(value) || value < min) {
    throw new RangeError(`Cannot ${action} as ${rule}: received ${value}`);
  }
  return value;
}

/**
 * Checks that one number is not greater than another.
 *
 * @param action What is being done, for the message.
 * @param name Name of the option.
 * @param value Its value.
 * @param limitName Name of the option that limits it.
 * @param limit The value of that.
 * @throws {RangeError} If it is greater.
 */
export function checkAtMost(
  action: string,
  name: string,
  value: number,
  limitName: string,
  limit: number,
): void {
  if (value <= limit) return;
  throw new RangeError(
    `Cannot ${action} as ${name} must be <= ${limitName}, which is ${limit}: received ${value}`,
  );
}

/**
 * Checks a duration.
 *
 * @param action What is being done, for the message.
 * @param name Name of the option.
 * @param value What was received, in milliseconds.
 * @param bounds Whether 0 and `Infinity` are allowed.
 * @returns The value.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is a number out of range.
 */
export function checkDuration(
  action: string,
  name: string,
  value: unknown,
  bounds: { zero: boolean; infinity: boolean },
): number {
  const rule = `${name} must be a number of milliseconds ${bounds.zero ? ">=" : ">"} 0` +
    (bounds.infinity ? " or Infinity" : "");
  if (typeof value !== "number") {
    throw new TypeError(`Cannot ${action} as ${rule}: received ${show(value)}`);
  }
  const low = bounds.zero ? value >= 0 : value > 0;
  if (!low || (value === Infinity && !bounds.infinity)) {
    throw new RangeError(`Cannot ${action} as ${rule}: received ${value}`);
  }
  return value;
}

/**
 * Checks a word.
 *
 * @param action What is being done, for the message.
 * @param name Name of the option.
 * @param value What was received.
 * @param words The words allowed.
 * @returns The word.
 * @throws {TypeError} If it is none of them.
 */
export function checkWord<T extends string>(
  action: string,
  name: string,
  value: unknown,
  words: readonly T[],
): T {
  const word = words.find((word) => word === value);
  if (word !== undefined) return word;
  const quoted = words.map((word) => `"${word}"`);
  const rule = `${name} must be ${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
  throw new TypeError(`Cannot ${action} as ${rule}: received ${show(value)}`);
}

/**
 * Checks a function that need not be given.
 *
 * @param action What is being done, for the message.
 * @param name Name of the option.
 * @param value What was received.
 * @returns The function, if there is one.
 * @throws {TypeError} If it is something else.
 */
export function checkFunction<T>(action: string, name: string, value: T): T {
  if (value === undefined || typeof value === "function") return value;
  throw new TypeError(`Cannot ${action} as ${name} must be a function: received ${show(value)}`);
}

/**
 * Checks a yes or no that need not be given.
 *
 * @param action What is being done, for the message.
 * @param name Name of the option.
 * @param value What was received.
 * @returns The value, if there is one.
 * @throws {TypeError} If it is something else.
 */
export function checkBoolean(action: string, name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw new TypeError(`Cannot ${action} as ${name} must be true or false: received ${show(value)}`);
}

/**
 * Checks an abort signal.
 *
 * @param action What is being done, for the message.
 * @param value What was received.
 * @returns The signal, if there is one.
 * @throws {TypeError} If it is something else.
 */
export function checkSignal(action: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || !("aborted" in value) || !("addEventListener" in value)) {
    throw new TypeError(
      `Cannot ${action} as signal must be an AbortSignal: received ${show(value)}`,
    );
  }
  return value as AbortSignal;
}
