import type { SubjectKind } from "../subject.ts";
import { kindWith } from "./steady.ts";

/** What is told; read by nobody, but an engine cannot know that. */
export const seen = { acquired: 0, released: 0, waiting: 0 };

/** This module, with an observer of every lease and every wait, and looking for leaks. */
export const kind: SubjectKind = kindWith({
  leakAfterMs: 30_000,
  observer: {
    acquired: ({ epoch }) => void (seen.acquired += epoch),
    released: ({ heldMs }) => void (seen.released += heldMs),
    waiting: ({ waiters }) => void (seen.waiting += waiters),
  },
});
