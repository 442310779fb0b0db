// The stand-ins for @std/assert and @std/async: that they hold and fail where the real ones do, and when they are used.

import * as std from "@std/assert";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import * as stdAsync from "@std/async";
import { join } from "node:path";
import { runChild } from "./support/child.ts";
import * as standIn from "./support/std/assert.ts";
import * as standInAsync from "./support/std/async.ts";
import { chooseStd, jsrAnswers, standInImports } from "./support/std_source.ts";

/** All names of the stand-in, with the types of the package in use: a type error if it has others. */
type Assert = Pick<typeof std, keyof typeof standIn>;
type Async = Pick<typeof stdAsync, keyof typeof standInAsync>;

/** What the tests use, and the stand-in; the same where JSR does not answer. */
const ASSERTS: readonly Assert[] = [std, standIn];
const ASYNCS: readonly Async[] = [stdAsync, standInAsync];

type Call = (s: Assert) => unknown;

const fulfilling = () => Promise.resolve();
const rejecting = () => Promise.reject(new TypeError("the reason"));
const notAnError: unknown = "no error";
const throwing = () => {
  throw new TypeError("the reason");
};

const HOLDS: readonly Call[] = [
  (s) => s.assert(1),
  (s) => s.assertFalse(""),
  (s) => s.assertEquals({ a: [1, new Map([["k", NaN]])] }, { a: [1, new Map([["k", NaN]])] }),
  (s) => s.assertNotEquals({ a: 1 }, { a: 2 }),
  (s) => s.assertStrictEquals(NaN, NaN),
  (s) => s.assertNotStrictEquals({}, {}),
  (s) => s.assertExists(0),
  (s) => s.assertMatch("abc", /b/),
  (s) => s.assertNotMatch("abc", /d/),
  (s) => s.assertStringIncludes("abc", "bc"),
  (s) => s.assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]),
  (s) => s.assertInstanceOf(new TypeError(), Error),
  (s) => s.assertIsError(new TypeError("the \x1b[31mreason"), TypeError, "reason"),
  (s) => s.assertIsError(new Error("the reason"), undefined, /^the/),
  (s) => s.assertThrows(throwing),
  (s) => s.assertThrows(throwing, TypeError, "reason"),
  (s) => s.assertRejects(rejecting),
  (s) => s.assertRejects(rejecting, TypeError, "reason"),
  (s) => s.assertGreater(2, 1),
  (s) => s.assertGreaterOrEqual(1, 1),
  (s) => s.assertLess(1n, 2n),
  (s) => s.assertLessOrEqual("a", "a"),
  (s) => s.assertObjectMatch({ a: { b: 1, c: 2 }, d: [1, 2] }, { a: { b: 1 }, d: [1] }),
  (s) => s.assertObjectMatch(new Error("text"), { message: "text" }),
];

const FAILS: readonly Call[] = [
  (s) => s.assert(0),
  (s) => s.assertFalse("0"),
  (s) => s.assertEquals({ a: 1, b: undefined }, { a: 1 }),
  (s) => s.assertEquals<unknown>([1], ["1"]),
  (s) => s.assertEquals(new Set([1]), new Set([2])),
  (s) => s.assertNotEquals({ a: 1 }, { a: 1 }),
  (s) => s.assertStrictEquals({}, {}),
  (s) => s.assertNotStrictEquals(1, 1),
  (s) => s.assertExists(null),
  (s) => s.assertExists(undefined),
  (s) => s.assertMatch("abc", /d/),
  (s) => s.assertNotMatch("abc", /b/),
  (s) => s.assertStringIncludes("abc", "cb"),
  (s) => s.assertArrayIncludes([1, 2], [2, 3]),
  (s) => s.assertInstanceOf({}, Error),
  (s) => s.assertIsError("text"),
  (s) => s.assertIsError(new Error("text"), TypeError),
  (s) => s.assertIsError(new Error("text"), Error, "other"),
  (s) => s.assertIsError(new Error("text"), Error, /other/),
  (s) => s.assertThrows(() => 1),
  (s) => s.assertThrows(throwing, RangeError),
  (s) => s.assertThrows(throwing, TypeError, "other"),
  (s) =>
    s.assertThrows(() => {
      throw notAnError;
    }, Error),
  (s) => s.assertRejects(fulfilling),
  (s) => s.assertRejects(throwing),
  (s) => s.assertRejects(rejecting, RangeError),
  (s) => s.assertRejects(rejecting, TypeError, "other"),
  (s) => s.assertRejects(() => Promise.reject(notAnError), Error),
  (s) => s.assertGreater(1, 1),
  (s) => s.assertGreaterOrEqual(0, 1),
  (s) => s.assertLess(1, 1),
  (s) => s.assertLessOrEqual(2, 1),
  (s) => s.assertObjectMatch({ a: { b: 1 } }, { a: { b: 2 } }),
  (s) => s.assertObjectMatch({ a: 1 }, { b: 1 }),
  (s) => s.assertObjectMatch({ a: [1] }, { a: [1, 2] }),
  (s) => s.fail(),
  (s) => s.unreachable(),
];

/** What a call throws or rejects with; undefined if it does neither. */
async function thrownBy(call: Call, s: Assert): Promise<unknown> {
  try {
    await call(s);
    return undefined;
  } catch (error) {
    return error;
  }
}

Deno.test("Assertions hold and fail alike in the stand-in and in the package", async () => {
  for (const s of ASSERTS) {
    for (const call of HOLDS) assertStrictEquals(await thrownBy(call, s), undefined, `${call}`);
    for (const call of FAILS) {
      const error = await thrownBy(call, s);
      assert(error instanceof s.AssertionError, `${call}: ${error}`);
      assertEquals(error.name, "AssertionError");
    }
  }
});

Deno.test("assertThrows() and assertRejects() hand out the error", async () => {
  const error = new TypeError("the reason");
  for (const s of ASSERTS) {
    const thrown: TypeError = s.assertThrows(() => {
      throw error;
    }, TypeError);
    assertStrictEquals(thrown, error);
    const reason: TypeError = await s.assertRejects(() => Promise.reject(error), TypeError);
    assertStrictEquals(reason, error);
  }
});

Deno.test("delay(), abortable() and deadline() end by their signal", async () => {
  const reason = new Error("enough");
  const never = new Promise<never>(() => {});
  for (const s of ASYNCS) {
    const ends = [
      (signal: AbortSignal) => s.delay(60_000, { signal }),
      (signal: AbortSignal) => s.abortable(never, signal),
      (signal: AbortSignal) => s.deadline(never, 60_000, { signal }),
    ];
    for (const end of ends) {
      const controller = new AbortController();
      const ended = end(controller.signal);
      controller.abort(reason);
      assertStrictEquals(await assertRejects(() => ended), reason);
      assertStrictEquals(await assertRejects(() => end(AbortSignal.abort(reason))), reason);
    }
  }
});

Deno.test("delay() and deadline() keep the time", async () => {
  const never = new Promise<never>(() => {});
  for (const s of ASYNCS) {
    await s.delay(1);
    assertEquals(await s.deadline(Promise.resolve(1), 60_000), 1);
    const error = await assertRejects(() => s.deadline(never, 1), DOMException);
    assertEquals(error.name, "TimeoutError");
  }
});

Deno.test("abortable() ends an iteration, and closes what it iterates", async () => {
  for (const s of ASYNCS) {
    let closed = false;
    const source = async function* () {
      try {
        yield 1;
        yield 2;
      } finally {
        closed = true;
      }
    };
    const controller = new AbortController();
    const seen: number[] = [];
    const iterate = async () => {
      for await (const n of s.abortable(source(), controller.signal)) {
        seen.push(n);
        controller.abort(new Error("enough"));
      }
    };
    await assertRejects(iterate, Error, "enough");
    assertEquals(seen, [1]);
    assert(closed);
  }
});

/** A registry on loopback that has `@std/assert` and `@std/async`, made from the stand-ins. */
async function registry(): Promise<{ url: string } & AsyncDisposable> {
  const files = new Map<string, string>();
  for (const [name, version] of [["assert", "1.0.19"], ["async", "1.5.0"]] as const) {
    const source = await Deno.readFile(new URL(`support/std/${name}.ts`, import.meta.url));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", source));
    const folder = `/@std/${name}`;
    files.set(`${folder}/meta.json`, JSON.stringify({ versions: { [version]: {} } }));
    files.set(
      `${folder}/${version}_meta.json`,
      JSON.stringify({
        manifest: { "/mod.ts": { size: source.length, checksum: `sha256-${hash.toHex()}` } },
        exports: { ".": "./mod.ts" },
      }),
    );
    files.set(`${folder}/${version}/mod.ts`, new TextDecoder().decode(source));
  }
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const text = files.get(new URL(request.url).pathname);
    return new Response(text ?? "", { status: text === undefined ? 404 : 200 });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("jsrAnswers() is told by the manifests of both packages, in bounded time", async () => {
  await using good = await registry();
  assert(await jsrAnswers({ registry: good.url }));
  assert(await jsrAnswers({ registry: good.url.slice(0, -1) }));
  assert(!await jsrAnswers({ registry: `${good.url}elsewhere/` }));
  assert(!await jsrAnswers({ registry: "http://127.0.0.1:1/" }));
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  assert(!await jsrAnswers({ registry: `http://127.0.0.1:${silent.addr.port}/`, timeoutMs: 50 }));
});

Deno.test("standInImports() replaces JSR's packages and nothing else", () => {
  const { imports } = standInImports({
    imports: { "@std/assert": "jsr:@std/assert@^1", postgres: "npm:postgres@3.4.9" },
  });
  assertEquals(imports["postgres"], "npm:postgres@3.4.9");
  assertEquals(imports["@std/assert"], import.meta.resolve("./support/std/assert.ts"));
});

Deno.test("The same test file runs on JSR's packages where they answer, else on the stand-ins", async () => {
  await using good = await registry();
  const directory = await Deno.makeTempDir();
  try {
    const config = { imports: { "@std/assert": "jsr:@std/assert@^1.0.19" } };
    await Deno.writeTextFile(join(directory, "deno.json"), JSON.stringify(config));
    await Deno.writeTextFile(
      join(directory, "a_test.ts"),
      `import { assertEquals } from "@std/assert";
       Deno.test(import.meta.resolve("@std/assert"), () => assertEquals(1, 1));`,
    );
    for (
      const [url, kind, name] of [
        [good.url, "jsr", `${good.url}@std/assert/1.0.19/mod.ts`],
        ["http://127.0.0.1:1/", "stand-in", standInImports(config).imports["@std/assert"]],
      ] as const
    ) {
      const { args, ...choice } = await chooseStd(directory, { registry: url });
      assertEquals(choice.kind, kind);
      const { code, stdout, stderr } = await runChild(
        Deno.execPath(),
        ["test", "--no-check", ...args.filter((arg) => !arg.startsWith("--lock")), "--no-lock"],
        {
          cwd: directory,
          env: {
            ...Deno.env.toObject(),
            // A cache of its own, which goes with the directory: nobody else needs to know this registry.
            DENO_DIR: join(directory, "cache"),
            JSR_URL: url,
            NO_COLOR: "1",
          },
        },
      );
      assertEquals(code, 0, stderr);
      assert(stdout.includes(`${name} ... ok`), stdout);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
