/** Single-letter edits that turn one word into another (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** ` Did you mean microvm?`, or nothing when no candidate is close. */
export function suggest(given: string, candidates: Iterable<string>): string {
  const near = [...candidates]
    .map(name => ({ name, edits: distance(given.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)[0];
  return near !== undefined && near.edits <= (given.length > 4 ? Math.max(2, given.length / 3) : 1)
    ? ` Did you mean ${near.name}?`
    : '';
}
