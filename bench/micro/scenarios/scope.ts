import { sampleInTurn } from "../sample.ts";
import type { Scenario } from "../scenario.ts";

/** One borrower: what a scope with one use costs beside that use alone, and what it takes to find a scope's connection. */
export const scope: Scenario = {
  name: "scope",
  suits: ({ createScoped }) => createScoped !== undefined,
  async run({ createScoped }, bench) {
    if (createScoped === undefined) throw new Error("a pool without scopes");
    const subject = createScoped({ max: 10 });
    await subject.use();
    return await sampleInTurn(
      new Map([
        ["use", (count) => repeat(count, subject.use)],
        ["empty", (count) => repeat(count, subject.scope)],
        ["store", (count) => repeat(count, subject.store)],
        ["stored", (count) => repeat(count, subject.useInStore)],
        ["scope", (count) => repeat(count, subject.useInScope)],
        ["again", (count) => subject.inScope(() => repeat(count, subject.use))],
        ["find", (count) => subject.inScope(() => check(count, subject.find))],
        ["bare", (count) => subject.inStore(() => check(count, subject.findBare))],
      ]),
      bench,
    );
  },
};

async function repeat(count: number, once: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await once();
}

/** Something that an engine could leave out if nobody looked at the result. */
function check(count: number, find: (count: number) => number): Promise<void> {
  const found = find(count);
  if (found !== count) throw new Error(`found ${found} times of ${count}`);
  return Promise.resolve();
}
