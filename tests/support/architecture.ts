/**
 * The rules of the project's architecture: who may import whom, and what the core may not touch.
 *
 * @module
 */

import { posix } from "node:path";
import { type ImportUse, type NameUse, scanSource } from "./source_scan.ts";

/** Whom the files of one layer may import. Patterns are for paths from the project's folder. */
interface Layer {
  /** Which files are in it. */
  readonly files: RegExp;
  /** Files whose values and types it may import. */
  readonly values: RegExp;
  /** Files whose types it may import. */
  readonly types?: RegExp;
  /** Modules from elsewhere. */
  readonly externals?: RegExp;
}

const LAYERS: readonly Layer[] = [
  { files: /^mod\.ts$/, values: /^src\/core\// },
  { files: /^src\/core\//, values: /^src\/core\// },
  {
    files: /^src\/runtime\//,
    values: /^src\/runtime\//,
    types: /^src\/core\//,
    externals: /^(node:.+|cloudflare:.+|bun|bun:.+)$/,
  },
  {
    files: /^src\/driver\//,
    values: /^src\/(driver\/|core\/errors\.ts$)/,
    types: /^src\/core\//,
    externals: /^(node:.+|postgres|npm:postgres@.+)$/,
  },
  { files: /^src\/entry\//, values: /^src\/(core|runtime|driver|entry)\// },
  { files: /^src\/testing\//, values: /^src\/(core|testing)\// },
];

/** The core. */
const CORE = /^src\/core\//;

/** The one file of the core that asks the platform for time, timers and chance. */
const CLOCK = "src/core/clock.ts";

/** The one file of the core that keeps something for the process, whichever copy of the module asks. */
const REGISTRY = "src/core/registry.ts";

/** Names of one runtime, or ways around these rules. */
const FORBIDDEN = new Set([
  ...["Deno", "Bun", "process", "Buffer", "require", "global", "__dirname", "__filename"],
  ...["globalThis", "window", "self", "navigator", "eval"],
]);

/** Names that stand for time, timers or chance, however they are used. */
const CLOCK_ONLY = new Set([
  ...["setTimeout", "setInterval", "setImmediate"],
  ...["clearTimeout", "clearInterval", "clearImmediate"],
  ...["performance", "crypto", "Temporal"],
]);

function mayImport(layer: Layer, from: string, { specifier, typeOnly }: ImportUse): boolean {
  if (specifier === undefined) return false;
  if (!specifier.startsWith(".")) return layer.externals?.test(specifier) ?? false;
  const target = posix.join(posix.dirname(from), specifier);
  return layer.values.test(target) || (typeOnly && (layer.types?.test(target) ?? false));
}

function importProblems(path: string, imports: readonly ImportUse[]): string[] {
  const layer = LAYERS.find(({ files }) => files.test(path));
  if (!layer) {
    return [`${path} is in no layer: say in tests/support/architecture.ts what it may import`];
  }
  return imports
    .filter((use) => !mayImport(layer, path, use))
    .map(({ specifier, typeOnly }) =>
      `${path} must not import ${typeOnly ? "types" : "values"} from ${
        specifier ?? "a computed name"
      }`
    );
}

/** Whether a name that is fine by itself is used for time or chance. */
function asksForTimeOrChance({ name, property, use }: NameUse): boolean {
  if (CLOCK_ONLY.has(name)) return true;
  switch (name) {
    case "Date":
      // A date made of a given number is no question for the time.
      return use === "value"
        ? property !== "UTC" && property !== "parse"
        : use === "call of new without arguments";
    case "Math":
      // Without a property it is handed on, and nobody knows what becomes of it.
      return property === undefined || property === "random";
    case "AbortSignal":
      return property === "timeout";
    default:
      return false;
  }
}

function nameProblems(path: string, names: readonly NameUse[]): string[] {
  if (!CORE.test(path)) return [];
  return names
    .filter((use) => isForbidden(path, use) || (path !== CLOCK && asksForTimeOrChance(use)))
    .map(({ name, property, line }) =>
      `${path}:${line} must not use ${property === undefined ? name : `${name}.${property}`}`
    );
}

function isForbidden(path: string, { name, property }: NameUse): boolean {
  const isRegistry = path === REGISTRY && name === "globalThis" && property === undefined;
  return FORBIDDEN.has(name) && !isRegistry;
}

/**
 * Holds one source file against the rules.
 *
 * @param path Its path from the project's folder, with slashes.
 * @param source Its text.
 * @returns One line for each offence.
 */
export function architectureProblems(path: string, source: string): string[] {
  const { imports, names } = scanSource(path, source);
  return [...importProblems(path, imports), ...nameProblems(path, names)];
}
