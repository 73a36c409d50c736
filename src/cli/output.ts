/** How a command answers: one JSON object on stdout with `--json`, else text for people. */
export interface Output {
  readonly json: boolean;
  /** Prints the result; `text` is called only when it is wanted. */
  readonly result: (value: unknown, text: () => string) => void;
  /** Progress for people, on stderr, so that stdout stays the result. */
  readonly progress: (line: string) => void;
}

export const createOutput = (json: boolean): Output => ({
  json,
  result: (value, text) => {
    process.stdout.write(`${json ? JSON.stringify(value) : text()}\n`);
  },
  progress: (line) => {
    if (!json) process.stderr.write(`${line}\n`);
  },
});

/** Rows as columns of text, aligned, with a header. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join("\n");
}
