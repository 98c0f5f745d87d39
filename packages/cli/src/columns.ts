/** Rows in columns as wide as need be, the last one as it is. */
export function columns(rows: readonly (readonly string[])[], indent = '  '): string {
  const most = Math.max(0, ...rows.map(row => row.length));
  const widths = Array.from({ length: most }, (_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)));
  return rows
    .map(row => `${indent}${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd())
    .map(line => `${line}\n`)
    .join('');
}
