/**
 * What a source file imports and which free names it uses, read by Deno's own parser (only inside of `deno test`).
 *
 * @module
 */

/** One import, export from, dynamic import or import in a type. */
export interface ImportUse {
  /** What it names; undefined if it is computed. */
  readonly specifier: string | undefined;
  /** Whether nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

/** One use of a name that is not a property, a key or a label. */
export interface NameUse {
  readonly name: string;
  /** The property taken from it: `random` of `Math.random`. */
  readonly property?: string;
  /** How it stands there. */
  readonly use: "call of new without arguments" | "call of new" | "type" | "instanceof" | "value";
  /** Line, counted from 1. */
  readonly line: number;
}

/** What was found in one file. */
export interface SourceScan {
  readonly imports: readonly ImportUse[];
  readonly names: readonly NameUse[];
}

type Node = Deno.lint.Node;

/** Nodes are made anew at every access, so that only their place tells whether two are the same. */
function isSame(node: Node, other: Node | null | undefined): boolean {
  return node.range[0] === other?.range[0] && node.range[1] === other.range[1];
}

/** Whether an identifier only labels something: a property taken, a key, a label, a name in an import or export. */
function isLabel(node: Deno.lint.Identifier): boolean {
  const { parent } = node;
  switch (parent.type) {
    case "MemberExpression":
      return !parent.computed && isSame(node, parent.property);
    case "TSQualifiedName":
      return isSame(node, parent.right);
    case "Property":
      return !parent.computed && !parent.shorthand && isSame(node, parent.key);
    case "MethodDefinition":
    case "PropertyDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
      return !parent.computed && isSame(node, parent.key);
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "ImportSpecifier":
    case "ExportSpecifier":
      return true;
    default:
      return false;
  }
}

function useOf(node: Deno.lint.Identifier): Pick<NameUse, "use" | "property"> {
  const { parent } = node;
  switch (parent.type) {
    case "TSTypeReference":
      return { use: "type" };
    case "NewExpression":
      if (!isSame(node, parent.callee)) return { use: "value" };
      return {
        use: parent.arguments.length === 0 ? "call of new without arguments" : "call of new",
      };
    case "BinaryExpression":
      return { use: parent.operator === "instanceof" ? "instanceof" : "value" };
    case "MemberExpression":
      return !parent.computed && parent.property.type === "Identifier"
        ? { use: "value", property: parent.property.name }
        : { use: "value" };
    default:
      return { use: "value" };
  }
}

/** The text of a literal, of a type that is one, or of a template without gaps. */
function textOf(node: Node | null | undefined): string | undefined {
  if (node?.type === "TSLiteralType") return textOf(node.literal);
  return node?.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}

function visitor(imports: ImportUse[], names: Map<number, NameUse>, lines: LineIndex) {
  const add = (source: Node | null | undefined, typeOnly: boolean) => {
    imports.push({ specifier: textOf(source), typeOnly });
  };
  return {
    ImportDeclaration: (node) => add(node.source, node.importKind === "type"),
    ExportAllDeclaration: (node) => add(node.source, node.exportKind === "type"),
    ExportNamedDeclaration: (node) => {
      if (node.source) add(node.source, node.exportKind === "type");
    },
    ImportExpression: (node) => add(node.source, false),
    TSImportType: (node) => add(node.argument, true),
    TSExternalModuleReference: (node) => add(node.expression, false),
    Identifier: (node) => {
      if (isLabel(node)) return;
      // By its place, because the name in `{ name }` is visited twice, as key and as value.
      names.set(node.range[0], { name: node.name, ...useOf(node), line: lines.at(node.range[0]) });
    },
  } satisfies Deno.lint.LintVisitor;
}

/** Finds the line of a place in a text. */
class LineIndex {
  #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  at(offset: number): number {
    return this.#source.slice(0, offset).split("\n").length;
  }
}

/**
 * Reads one source file.
 *
 * @param path Its path, for the parser to know its language.
 * @param source Its text.
 * @returns What it imports, and the names it uses.
 */
export function scanSource(path: string, source: string): SourceScan {
  const imports: ImportUse[] = [];
  const names = new Map<number, NameUse>();
  const lines = new LineIndex(source);
  const plugin: Deno.lint.Plugin = {
    name: "steady-scan",
    rules: { scan: { create: () => visitor(imports, names, lines) } },
  };
  Deno.lint.runPlugin(plugin, path, source);
  return { imports, names: [...names.values()] };
}
