/** The middle one; of an even number, the mean of the two in the middle. @param values at least one */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values have a median');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** @param values at least one, all above 0 */
export function geometricMean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values have a mean');
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** How far apart the values lie: the largest over the smallest. */
export const spread = (values: readonly number[]): number => Math.max(...values) / Math.min(...values);
