/**
 * Markdown tables.
 *
 * @module
 */

/**
 * Lays out a table; the first column is text, the others are numbers.
 *
 * @param head Column headings.
 * @param rows One list of cells per row.
 * @returns The table.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? "", width, column)).join(" | ")} |`;
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : rightRule(width));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function rightRule(width: number): string {
  return `${"-".repeat(width - 1)}:`;
}
