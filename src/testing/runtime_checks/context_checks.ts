/**
 * Async context.
 *
 * @module
 */

import { systemClock } from "../../core/clock.ts";
import { expectRejection, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";

/** The checks of context variables, root and capture. */
export const contextChecks: readonly RuntimeCheck[] = [
  {
    clause: "context variables follow asynchronous control flow",
    async prove({ runtime }) {
      const text = runtime.contextVariable<string>();
      const number = runtime.contextVariable<number>();
      expectSame(text.get(), undefined, "a variable outside of run()");
      await Promise.all(["x", "y"].map((value) =>
        text.run(value, async () => {
          await turns(1);
          number.run(1, () => {
            expectSame(text.get(), value, "a variable inside of another one's run()");
            expectSame(number.get(), 1, "the other variable");
          });
          await new Promise<void>((resolve) => systemClock.schedule(1, resolve));
          expectSame(text.get(), value, "a variable after a timer");
          expectSame(number.get(), undefined, "a variable after its run()");
          text.run("inner", () => expectSame(text.get(), "inner", "a variable in a second run()"));
          expectSame(text.get(), value, "a variable after a second run()");
        })
      ));
      expectSame(text.get(), undefined, "a variable after run()");
    },
  },
  {
    clause: "a context variable's run() returns and throws what its function does",
    async prove({ runtime }) {
      const variable = runtime.contextVariable<string>();
      expectSame(variable.run("x", () => "result"), "result", "what run() returns");
      const mistake = new Error("a mistake");
      const running = Promise.resolve().then(() =>
        variable.run("x", () => {
          throw mistake;
        })
      );
      expectSame(await expectRejection(running, "run() throws"), mistake, "what run() throws");
      expectSame(variable.get(), undefined, "a variable after a run() that threw");
    },
  },
  {
    clause: "root() runs where no variable has a value",
    async prove({ runtime }) {
      const variable = runtime.contextVariable<string>();
      await variable.run("x", async () => {
        expectSame(runtime.root(() => variable.get()), undefined, "a variable in root()");
        expectSame(runtime.root(() => "result"), "result", "what root() returns");
        expectSame(variable.get(), "x", "a variable after root()");
        await runtime.root(async () => {
          await turns(1);
          expectSame(variable.get(), undefined, "a variable in root(), a turn later");
        });
        expectSame(variable.get(), "x", "a variable after root(), a turn later");
      });
    },
  },
  {
    clause: "capture() gives the way back into the caller's context",
    prove({ runtime }) {
      const variable = runtime.contextVariable<string>();
      const inside = variable.run("x", () => runtime.capture());
      const outside = runtime.capture();
      expectSame(inside(() => variable.get()), "x", "a variable in a captured context");
      const fromRoot = runtime.root(() => inside(() => variable.get()));
      expectSame(fromRoot, "x", "a variable in a captured context, entered from root()");
      const fromOther = variable.run("y", () => outside(() => variable.get()));
      expectSame(fromOther, undefined, "a variable in a captured context without it");
      return Promise.resolve();
    },
  },
];
