/**
 * Behaviours of groups P, Y, Z and X that have no place in this module, each with the reason.
 *
 * @module
 */

/** Id of a behaviour, and why no test is about it. */
export const OBSOLETE_SCOPES: Readonly<Record<string, string>> = {
  "P-05": "there is no argument that is ignored: who wants to share says so, by `acquireShared`",
  "P-27": "connections have no level of their own that could contradict their driver's",
  "P-33":
    "how many threads a server should have is not ours to say: contexts come and go, and the pool's limit holds (P-06)",
  "P-34": "what an older version did otherwise: the younger one is what is followed",
  "Y-02": "that a class was deprecated and removed is its history, not what it does",
  "Y-16": "what an older revision did not do yet: Y-13 is what is followed",
  "Y-21": "nothing comes back but leases, and each knows its pool: there is none that is unknown",
};
