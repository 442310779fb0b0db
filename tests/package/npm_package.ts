/**
 * The package in the form that JSR gives to npm, Bun and their like: modules without types, and the types beside them.
 *
 * @module
 */

import { join } from "node:path";
import { expectChild } from "../support/child.ts";
import { scanSource } from "../support/source_scan.ts";
import { ROOT } from "../support/std_source.ts";
import { copyPublished } from "./deno_project.ts";

/** The compiler; JSR has one of its own, which does the same to sources whose types can be read off. */
const COMPILER = ["-y", "-p", "typescript@5.9.3", "tsc"];

/** Folder of the declarations in the package. */
const DECLARATIONS = "_dist";

/** What is read of `deno.json`. */
interface DenoConfig {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

/** Only takes types away and changes the ends of specifiers: whether the types are right is for those who use them. */
const COMPILER_OPTIONS = {
  rootDir: ".",
  declaration: true,
  noCheck: true,
  target: "esnext",
  lib: ["esnext"],
  module: "esnext",
  moduleResolution: "bundler",
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true,
  strict: true,
  types: [],
};

/**
 * Makes the package.
 *
 * @param sources An empty folder, for what is published.
 * @param target An empty folder, for the package.
 * @returns The name it has in the registry.
 */
export async function makeNpmPackage(sources: string, target: string): Promise<string> {
  const config: DenoConfig = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const files = await copyPublished(sources);
  const modules = files.filter((file) => file.endsWith(".ts"));
  await compile(sources, target, modules);
  for (const file of modules) await rewriteDeclaration(join(target, DECLARATIONS, typesOf(file)));
  for (const file of files.filter((file) => !modules.includes(file))) {
    await Deno.copyFile(join(sources, file), join(target, file));
  }
  const name = `@jsr/${config.name.slice(1).replace("/", "__")}`;
  const manifest = {
    name,
    version: config.version,
    license: config.license,
    type: "module",
    dependencies: await dependencies(sources, modules, config),
    exports: Object.fromEntries(
      Object.entries(config.exports).map(([subpath, file]) => [subpath, exportOf(file)]),
    ),
  };
  await Deno.writeTextFile(join(target, "package.json"), JSON.stringify(manifest));
  return name;
}

async function compile(
  sources: string,
  target: string,
  modules: readonly string[],
): Promise<void> {
  const tsconfig = {
    compilerOptions: {
      ...COMPILER_OPTIONS,
      outDir: target,
      declarationDir: join(target, DECLARATIONS),
    },
    files: modules,
  };
  await Deno.writeTextFile(join(sources, "tsconfig.json"), JSON.stringify(tsconfig));
  await expectChild("npx", [...COMPILER, "--project", sources], { cwd: sources });
}

/** The compiler leaves the specifiers of declarations as they are. */
async function rewriteDeclaration(file: string): Promise<void> {
  const text = await Deno.readTextFile(file);
  const lines = text.split("\n").map((line) =>
    /^\s*\*/.test(line) ? line : line.replace(/((?:from |import\()"\.[^"]*)\.ts"/g, '$1.d.ts"')
  );
  await Deno.writeTextFile(file, lines.join("\n"));
}

function typesOf(file: string): string {
  return file.replace(/\.ts$/, ".d.ts");
}

function exportOf(file: string): { types: string; default: string } {
  return {
    types: `./${join(DECLARATIONS, typesOf(file))}`,
    default: file.replace(/\.ts$/, ".js"),
  };
}

/** The packages that the modules import, with the versions of `deno.json`. */
async function dependencies(
  sources: string,
  modules: readonly string[],
  config: DenoConfig,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const file of modules) {
    const { imports } = scanSource(file, await Deno.readTextFile(join(sources, file)));
    for (const { specifier = "" } of imports) {
      if (/^(\.|node:|cloudflare:)/.test(specifier)) continue;
      const [, name, version] = /^npm:(.+)@([^@]+)$/.exec(config.imports[specifier] ?? "") ?? [];
      if (name === undefined || version === undefined) {
        throw new Error(`${file} imports ${specifier}, which is no package of npm`);
      }
      found[name] = version;
    }
  }
  return found;
}
