/**
 * Where the tests get `@std/assert` and `@std/async` from: JSR, as `deno.json` says, or the stand-ins beside this file
 * where JSR does not answer.
 *
 * @module
 */

import { join } from "node:path";

/** The stand-ins, by the name they stand in for. */
const STAND_INS: Readonly<Record<string, string>> = {
  "@std/assert": "./std/assert.ts",
  "@std/async": "./std/async.ts",
};

/** What matters here of `deno.json`. */
interface DenoConfig {
  readonly imports: Readonly<Record<string, string>>;
}

/** How to ask JSR. */
export interface JsrOptions {
  /** Base URL of the registry; Deno's own default or `JSR_URL` when not given. */
  readonly registry?: string;
  /** How long to wait for an answer. */
  readonly timeoutMs?: number;
}

/** The choice made. */
export interface StdSource {
  readonly kind: "jsr" | "stand-in";
  /** One line about it. */
  readonly description: string;
  /** What to add to the command line of `deno test`, `deno check` and `deno run`. */
  readonly args: readonly string[];
}

/** The project's folder. */
export const ROOT = new URL("../../", import.meta.url);

async function hasManifest(registry: URL, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(new URL(`${name}/meta.json`, registry), { signal });
    if (!response.ok) {
      await response.body?.cancel();
      return false;
    }
    const manifest: unknown = await response.json();
    return typeof manifest === "object" && manifest !== null && "versions" in manifest;
  } catch {
    return false;
  }
}

/**
 * Asks JSR for the packages' manifests.
 *
 * @param options Whom, and for how long.
 * @returns Whether it has them all.
 */
export async function jsrAnswers(options: JsrOptions = {}): Promise<boolean> {
  const { registry = Deno.env.get("JSR_URL") ?? "https://jsr.io", timeoutMs = 3_000 } = options;
  const base = new URL(registry.endsWith("/") ? registry : `${registry}/`);
  // Not AbortSignal.timeout, whose timer would go on after the answer.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), timeoutMs);
  const answers = await Promise.all(
    Object.keys(STAND_INS).map((name) => hasManifest(base, name, patience.signal)),
  );
  clearTimeout(timer);
  return answers.every((answer) => answer);
}

/**
 * The imports of `deno.json` with the stand-ins in place of JSR's packages.
 *
 * @param config `deno.json`.
 * @returns An import map.
 */
export function standInImports(config: DenoConfig): { imports: Record<string, string> } {
  const standIns = Object.entries(STAND_INS)
    .map(([name, path]) => [name, new URL(path, import.meta.url).href]);
  return { imports: { ...config.imports, ...Object.fromEntries(standIns) } };
}

/**
 * Chooses, and writes what the choice needs.
 *
 * @param directory Where to write it; has to last as long as the choice is used.
 * @param options How to ask JSR.
 * @returns The choice.
 */
export async function chooseStd(directory: string, options: JsrOptions = {}): Promise<StdSource> {
  if (await jsrAnswers(options)) {
    // Deno adds to the lock file what it gets from JSR. To run the tests should not change the tree.
    const lock = join(directory, "deno.lock");
    await Deno.copyFile(new URL("deno.lock", ROOT), lock).catch((error) => {
      // Without one, there is nothing to hold the packages against.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    return {
      kind: "jsr",
      description: "@std/assert and @std/async are the packages on JSR",
      args: [`--lock=${lock}`],
    };
  }
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as DenoConfig;
  const importMap = join(directory, "imports.json");
  await Deno.writeTextFile(importMap, JSON.stringify(standInImports(config)));
  return {
    kind: "stand-in",
    description:
      "JSR does not answer: @std/assert and @std/async are stand-ins (tests/support/std)",
    args: [`--import-map=${importMap}`],
  };
}
