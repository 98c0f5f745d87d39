/** Options of `run` and `describe` that stand alone. All others, the machines' own too, are followed by a value. */
const ALONE = new Set(['--help', '-h', '--json']);

/**
 * Finds the machine among the arguments before it is known which options there are, since the machine says that.
 * @param args what follows `run` or `describe`.
 */
export function findMachineArgument(args: readonly string[]): string | undefined {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!arg.startsWith('-')) return arg;
    const next = args[i + 1];
    if (!ALONE.has(arg) && !arg.includes('=') && next !== undefined && !next.startsWith('--')) i++;
  }
  return undefined;
}
