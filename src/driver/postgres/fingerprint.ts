/**
 * The text of a statement without the values in it.
 *
 * @module
 */

/** Most characters of a fingerprint. */
const LENGTH = 200;
/** Most characters that are looked at: no more of them can become {@linkcode LENGTH} without a value amid. */
const LOOKED_AT = 10_000;

/** A string, ended or not. With a backslash in it nobody knows where it ends, so that it is the rest of the text. */
const STRING = String.raw`(?:\b(?:u&|[ebxn]))?'(?:(?:[^'\\]|'')*(?:'|$)|[\s\S]*$)`;
const DOLLAR_STRING = String.raw`\$([a-z_]\w*)?\$[\s\S]*?(?:\$\1\$|$)`;
const COMMENT = String.raw`--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)`;
const NUMBER = String.raw`\d[\w.]*`;
/** What is passed over: names, in quotes or not, and parameters. */
const NAME = String.raw`"(?:[^"]|"")*"?|\$\d+|[a-z_][\w$]*`;

const VALUES = new RegExp(`${STRING}|${DOLLAR_STRING}|${COMMENT}|(${NAME})|${NUMBER}`, "gi");

/**
 * Gives the text of a statement without the values that were written into it.
 *
 * @param text The statement, with `$1` for its parameters.
 * @returns One line, `?` for each value, no comments, cut to 200 characters.
 */
export function fingerprint(text: string): string {
  const shown = text.slice(0, LOOKED_AT).replace(VALUES, (found, _tag: unknown, name?: string) => {
    if (name !== undefined) return found;
    return found.startsWith("--") || found.startsWith("/*") ? " " : "?";
  });
  const line = shown.replace(/\s+/g, " ").trim();
  return line.length > LENGTH ? `${line.slice(0, LENGTH - 1)}…` : line;
}
