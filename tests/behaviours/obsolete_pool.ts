/**
 * Behaviours of groups D, H, Q, G, A and W that have no place in this module, each with the reason.
 *
 * @module
 */

/** Id of a behaviour, and why no test is about it. */
export const OBSOLETE_POOL: Readonly<Record<string, string>> = {
  "D-02": "no driver module is looked up by reflection; a driver says what it can in `sharing`",
  "D-03": "connections have no level of their own that could contradict their driver's",
  "D-06":
    "in which order connections opened at the start are first lent is nobody's to rely on; after that D-11 holds",
  "D-55": "what to connect with is the driver's own: the pool has no parameters to pass on (S-09)",
  "D-56":
    "a pool cannot count what other processes open: a limit for all is a pooler's (option `pooler`)",
  "H-08": "a shared connection is told from another by identity: there is no equality by counts",
  "Q-13": "connections are opened by the pool alone: nobody adds any, so none is above the limit",
  "Q-19": "no operations are chosen by a level: there is one way to acquire and one to release",
  "G-01": "no members are hardened by their names: a unit of work is what is given to `run` (C-02)",
  "G-22": "a released lease cannot be opened again: no lease within a lease can be built",
  "A-25":
    "an acquire returns a lease, whatever it is given; there are no cursors to be returned with it",
  "A-35":
    "no decorators: `use`, `read` and `transaction` take the function itself, which A-32 and A-33 show",
  "A-36":
    "no process-wide pool is got or set: who needs one keeps it; nothing is read from a command line",
  "W-02":
    "an acquire returns a lease alone: cursors are the driver's own and belong to a statement",
};
