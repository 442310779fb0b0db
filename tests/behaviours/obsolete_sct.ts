/**
 * Behaviours of groups S, C and T that have no place in this module, each with the reason.
 *
 * @module
 */

/** Id of a behaviour, and why no test is about it. */
export const OBSOLETE_SCT: Readonly<Record<string, string>> = {
  "S-01": "there is one way to a connection, the driver: no module is guessed from a function",
  "S-42":
    "a driver must be able to ping; the driver kit checks it, nothing is switched off by an exception",
  "S-53": "no driver module is looked up by reflection; a driver says what it can in `sharing`",
  "S-58": "no version attribute: the package has its version in deno.json",
  "C-01":
    "no cursor objects of ours are built from connections; the type system checks what is passed",
  "C-02": "no method is hardened by its name: a unit of work is what is given to `run`",
  "C-03": "no cursor proxies whose cursor could be missing",
  "C-04": "no cursors to close; closing a connection three times is S-18",
  "C-08": "no cursor is created anew: use after the end is an error of the driver's own objects",
  "C-09": "no healed cursors; the defect cannot be built",
  "C-18": "no size hints: options belong to one call",
  "C-19": "no size hints: options belong to one call",
  "C-20": "no size hints: options belong to one call",
  "C-21": "no size hints: nothing is left for the next statement",
  "C-22": "no size hints: procedure calls are statements",
  "C-23": "rows are iterated by the driver's own queries; the entry's cursor tests are about them",
  "C-24":
    "no cursors as context managers; the driver's own streams end by the rules of their language",
  "C-28": "nothing is left to garbage collection",
  "C-33": "the assertion relies on defect C-09 and must not be ported",
};
