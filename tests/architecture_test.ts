import { assert, assertArrayIncludes, assertEquals, assertStringIncludes } from "@std/assert";
import { architectureProblems } from "./support/architecture.ts";
import { type ChildResult, runChild } from "./support/child.ts";
import { scanSource } from "./support/source_scan.ts";
import { ROOT } from "./support/std_source.ts";

/** Paths of all sources below a folder, from the project's folder. */
async function sourcesIn(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    const path = `${folder}/${name}`;
    if (isDirectory) paths.push(...await sourcesIn(path));
    else if (name.endsWith(".ts")) paths.push(path);
  }
  return paths;
}

/** Type-checks files as if there were nothing but the language and the web platform. */
function checkPure(files: readonly string[]): Promise<ChildResult> {
  const config = new URL("support/core_only.json", import.meta.url);
  const args = ["check", "--quiet", "--no-lock", "--config", config.pathname, ...files];
  return runChild(Deno.execPath(), args, { env: { ...Deno.env.toObject(), NO_COLOR: "1" } });
}

Deno.test("Every source keeps to its layer, and the core to itself (W-15)", async () => {
  const paths = ["mod.ts", ...await sourcesIn("src")];
  const problems: string[] = [];
  for (const path of paths) {
    problems.push(...architectureProblems(path, await Deno.readTextFile(new URL(path, ROOT))));
  }
  assertEquals(problems, []);
  assertArrayIncludes(paths, ["src/core/clock.ts"]);
});

Deno.test("The core type-checks without any runtime's types", async () => {
  const files = ["mod.ts", ...await sourcesIn("src/core")];
  const { code, stderr } = await checkPure(files.map((path) => new URL(path, ROOT).pathname));
  assertEquals(code, 0, stderr);
});

Deno.test("The type check of the core finds a runtime's names", async () => {
  const names = ["Deno", "Bun", "process", "Buffer", "setImmediate"];
  const planted = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(planted, `export const planted: unknown[] = [${names}];\n`);
    const { code, stderr } = await checkPure([planted]);
    assert(code !== 0);
    for (const name of names) assertStringIncludes(stderr, `Cannot find name '${name}'`);
  } finally {
    await Deno.remove(planted);
  }
});

/** Sources that break a rule, and what is said of them. */
const FORBIDDEN: readonly (readonly [path: string, source: string, problem: string])[] = [
  ["mod.ts", `export * from "./src/runtime/deno.ts";`, "values from ./src/runtime/deno.ts"],
  ["mod.ts", `export type * from "./src/driver/postgres/mod.ts";`, "types from ./src/driver"],
  ["src/core/a.ts", `import type { A } from "../runtime/deno.ts";`, "types from ../runtime"],
  ["src/core/a.ts", `import { A } from "../driver/postgres/mod.ts";`, "values from ../driver"],
  ["src/core/a.ts", `export { A } from "../entry/deno.ts";`, "values from ../entry"],
  ["src/core/a.ts", `export * from "../testing/mod.ts";`, "values from ../testing"],
  ["src/core/a.ts", `import "node:events";`, "values from node:events"],
  ["src/core/a.ts", `import type { Sql } from "postgres";`, "types from postgres"],
  ["src/core/a.ts", `import "jsr:@std/async";`, "values from jsr:@std/async"],
  ["src/core/a.ts", `const a = await import("npm:postgres@3");`, "values from npm:postgres"],
  ["src/core/a.ts", `const a = await import(name);`, "values from a computed name"],
  ["src/core/a.ts", `type A = import("node:net").Socket;`, "types from node:net"],
  ["src/core/a.ts", `import a = require("node:net");`, "values from node:net"],
  ["src/core/a.ts", `import { a } from "../../tests/a.ts";`, "values from ../../tests/a.ts"],
  ["src/core/a.ts", `Deno.pid;`, "a.ts:1 must not use Deno.pid"],
  ["src/core/a.ts", `\n\nconst { argv } = process;`, "a.ts:3 must not use process"],
  ["src/core/a.ts", `const b: Buffer = x;`, "must not use Buffer"],
  ["src/core/a.ts", `const name = typeof Bun;`, "must not use Bun"],
  ["src/core/a.ts", `const fs = require("fs");`, "must not use require"],
  ["src/core/a.ts", `globalThis["Deno"];`, "must not use globalThis"],
  ["src/core/a.ts", `setTimeout(() => {}, 1);`, "must not use setTimeout"],
  ["src/core/a.ts", `const later = { setInterval };`, "must not use setInterval"],
  ["src/core/a.ts", `type Handle = ReturnType<typeof setImmediate>;`, "must not use setImmediate"],
  ["src/core/a.ts", `Date.now();`, "must not use Date.now"],
  ["src/core/a.ts", `const { now } = Date;`, "must not use Date"],
  ["src/core/a.ts", `const t = Date["now"]();`, "must not use Date"],
  ["src/core/a.ts", `new Date();`, "must not use Date"],
  ["src/core/a.ts", `const t = Date();`, "must not use Date"],
  ["src/core/a.ts", `Math.random();`, "must not use Math.random"],
  ["src/core/a.ts", `const { random } = Math;`, "must not use Math"],
  ["src/core/a.ts", `performance.now();`, "must not use performance.now"],
  ["src/core/a.ts", `crypto.randomUUID();`, "must not use crypto.randomUUID"],
  ["src/core/a.ts", `AbortSignal.timeout(5);`, "must not use AbortSignal.timeout"],
  ["src/core/clock.ts", `Deno.pid;`, "must not use Deno.pid"],
  ["src/core/clock.ts", `globalThis;`, "must not use globalThis"],
  ["src/core/registry.ts", `globalThis.Deno;`, "must not use globalThis.Deno"],
  ["src/runtime/a.ts", `import { systemClock } from "../core/clock.ts";`, "values from ../core"],
  ["src/runtime/a.ts", `import { type Clock } from "../core/clock.ts";`, "values from ../core"],
  ["src/runtime/a.ts", `import type { A } from "../driver/a.ts";`, "types from ../driver"],
  ["src/runtime/a.ts", `import postgres from "postgres";`, "values from postgres"],
  [
    "src/driver/postgres/a.ts",
    `import { Pool } from "../../core/pool.ts";`,
    "values from ../../core",
  ],
  ["src/driver/postgres/a.ts", `import type { A } from "../../runtime/deno.ts";`, "types from"],
  ["src/driver/postgres/a.ts", `import pg from "pg";`, "values from pg"],
  ["src/entry/a.ts", `import { A } from "../testing/mod.ts";`, "values from ../testing"],
  ["src/entry/a.ts", `import { connect } from "node:net";`, "values from node:net"],
  ["src/testing/a.ts", `import type { A } from "../entry/deno.ts";`, "types from ../entry"],
  ["src/testing/a.ts", `import { A } from "../runtime/deno.ts";`, "values from ../runtime"],
  ["src/new/a.ts", ``, "src/new/a.ts is in no layer"],
];

Deno.test("Each rule of the architecture finds what breaks it", () => {
  for (const [path, source, problem] of FORBIDDEN) {
    const problems = architectureProblems(path, source);
    assertEquals(problems.length, 1, `${path}: ${source}: ${problems}`);
    assertStringIncludes(problems[0] ?? "", problem);
  }
});

/** Sources that look like it, but break no rule. */
const ALLOWED: readonly (readonly [path: string, source: string])[] = [
  ["mod.ts", `export { Pool } from "./src/core/pool.ts";`],
  ["src/core/a.ts", `import { systemClock } from "./clock.ts";`],
  ["src/core/a.ts", `import { systemClock } from "../core/clock.ts";`],
  ["src/core/a.ts", `// Deno.pid, setTimeout()\nconst text = "process.env \${Math.random()}";`],
  ["src/core/a.ts", `clock.performance.now(); clock?.setTimeout(); clock.Date.now();`],
  ["src/core/a.ts", `const a = { process: 1, require() {}, "Deno": 2 };`],
  ["src/core/a.ts", `class A { process = 1; Buffer() {} #Deno = 1; }`],
  ["src/core/a.ts", `interface A { process: number; setTimeout(): void; }`],
  ["src/core/a.ts", `const d: Date = new Date(0); d instanceof Date; Date.UTC(2000, 1);`],
  ["src/core/a.ts", `Math.min(1, 2); AbortSignal.any([]); queueMicrotask(() => {});`],
  ["src/core/registry.ts", `const holder = globalThis as { [KEY]?: Registry };`],
  ["src/core/clock.ts", `setTimeout(() => {}, 1); Date.now(); Math.random(); performance.now();`],
  ["src/runtime/a.ts", `import type { Socket } from "../core/runtime.ts"; Deno.connect;`],
  ["src/runtime/a.ts", `import { connect } from "cloudflare:sockets"; import tls from "node:tls";`],
  ["src/driver/postgres/a.ts", `import { ConnectionLostError } from "../../core/errors.ts";`],
  ["src/driver/postgres/a.ts", `import type { Driver } from "../../core/driver.ts";`],
  [
    "src/driver/postgres/a.ts",
    `import postgres from "postgres"; import { Buffer } from "node:buffer";`,
  ],
  [
    "src/entry/a.ts",
    `import { runtime } from "../runtime/deno.ts"; export * from "../core/pool.ts";`,
  ],
  ["src/testing/a.ts", `import { Pool } from "../core/pool.ts"; import "./virtual_clock.ts";`],
];

Deno.test("The rules of the architecture let pass what only looks like breaking them", () => {
  for (const [path, source] of ALLOWED) {
    assertEquals(architectureProblems(path, source), [], `${path}: ${source}`);
  }
});

Deno.test("scanSource() reads what is left of types and what is not", () => {
  const { imports } = scanSource(
    "a.ts",
    `import type { A } from "./a.ts";
     import { type B } from "./b.ts";
     import C, { type D } from "./c.ts";
     export type { E } from "./e.ts";
     export { type F } from "./f.ts";
     export type * from "./g.ts";
     type H = typeof import("./h.ts");
     import("./i.ts");
     import(\`./j.ts\`);`,
  );
  const kinds = imports.map(({ specifier, typeOnly }) =>
    `${specifier} ${typeOnly ? "types" : "values"}`
  );
  assertEquals(kinds, [
    "./a.ts types",
    "./b.ts values",
    "./c.ts values",
    "./e.ts types",
    "./f.ts values",
    "./g.ts types",
    "./h.ts types",
    "./i.ts values",
    "undefined values",
  ]);
});
