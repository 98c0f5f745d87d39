/** The results as tables: cells of text, then as columns or as Markdown. */
import type { Bits } from './programs.ts';
import { type Cell, PEERS, type PeerName, type ProgramRow, type Results } from './results.ts';
import { median, spread } from './statistics.ts';
import { type Comparison, compare, isMet, type Ratio, ratio, type Target, targets } from './summary.ts';

export interface Table {
  readonly title: string;
  /** The first row is the head. */
  readonly rows: readonly (readonly string[])[];
  /** Columns of words, which are set to the left; the first unless told. */
  readonly words?: readonly number[];
  readonly notes?: readonly string[];
}

const RATIOS: readonly (readonly [PeerName, PeerName])[] = [
  ['soft', 'tcg'],
  ['soft', 'v86'],
  ['soft', 'native'],
];
/** A guest's clock that is off by more than this is named. */
const CLOCK_ERROR = 1.05;
/** Milliseconds below which the two clocks differ by what a line on the way takes. */
const CLOCK_NOISE = 20;

const whole = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
const times = ({ value, bound }: Ratio): string => `${bound}${value.toFixed(2)}`;

function cellText(cell: Cell | undefined): string {
  if (!cell) return '';
  if (cell.trouble) return cell.trouble.kind;
  return cell.ms.length > 0 ? whole(median(cell.ms)) : '';
}

function programTable(results: Results, bits: Bits): Table {
  const { limit } = results;
  const rows = results.programs.filter(row => row.bits === bits);
  const title = `Programs, ${bits}-bit, ms`;
  if (rows.length === 0) return { title, rows: [] };
  const peers = PEERS.filter(peer => rows.some(row => row.cells[peer]));
  const pairs = RATIOS.filter(([of, to]) => peers.includes(of) && peers.includes(to));
  const body = rows.map(row => [
    row.name,
    ...peers.map(peer => cellText(row.cells[peer])),
    ...pairs.map(([of, to]) => {
      const found = ratio(row, of, to, limit);
      return found ? times(found) : '';
    }),
  ]);
  const means = pairs.map(([of, to]) => mean(compare(rows, of, to, limit)));
  return {
    title,
    rows: [
      ['program', ...peers, ...pairs.map(([of, to]) => `${of} / ${to}`)],
      ...body,
      ...(pairs.length > 0 ? [['geometric mean', ...peers.map(() => ''), ...means]] : []),
    ],
    notes: rows.flatMap(notes),
  };
}

const mean = (c: Comparison | undefined): string => (c ? `${c.isBound ? '~' : ''}${c.mean.toFixed(2)}` : '');

/** Troubles of a row's cells, and clocks that went wrong. */
function notes(row: ProgramRow): string[] {
  return PEERS.flatMap(peer => {
    const cell = row.cells[peer];
    const found: string[] = [];
    if (cell?.trouble) found.push(`${row.name}, ${peer}: ${cell.trouble.kind}: ${cell.trouble.detail}`);
    const off = cell ? cell.guestMs.filter((guest, i) => isOff(guest, cell.ms[i]!)) : [];
    if (off.length > 0) found.push(`${row.name}, ${peer}: by the guest's clock ${off.map(whole).join(', ')} ms`);
    return found;
  });
}

const isOff = (guest: number, host: number): boolean =>
  Math.abs(guest - host) > CLOCK_NOISE && spread([guest, host]) > CLOCK_ERROR;

function bootTable({ boots }: Results): Table {
  const peers = PEERS.filter(peer => boots.some(({ ms }) => ms[peer]?.length));
  const second = (ms: readonly number[] | undefined): string => (ms?.length ? (median(ms) / 1000).toFixed(2) : '');
  return {
    title: 'Boot, from the start of the process to the first line of the initramfs, s',
    rows: [
      ['kernel', ...peers],
      ...boots.map(({ bits, ms }) => [bits === 64 ? 'amd64' : 'i386', ...peers.map(peer => second(ms[peer]))]),
    ],
  };
}

function memoryTable({ memory }: Results): Table {
  return {
    title: 'Memory of the process after all programs (PSS), MiB',
    words: [0, 1],
    rows: [
      ['contestant', 'kernel', 'total', 'of it guest RAM', 'above'],
      ...memory.map(({ peer, bits, total, guest }) => [
        peer,
        bits === 64 ? 'amd64' : 'i386',
        total.toFixed(0),
        guest === undefined ? '?' : guest.toFixed(0),
        guest === undefined ? '?' : (total - guest).toFixed(0),
      ]),
    ],
  };
}

function workingSetTable({ workingSets }: Results): Table {
  const peers = PEERS.filter(peer => workingSets.some(({ ns }) => ns[peer]?.length));
  const first = (walk: string, peer: PeerName): number[] | undefined =>
    workingSets.find(row => row.walk === walk)?.ns[peer];
  const cell = (row: Results['workingSets'][number], peer: PeerName): string => {
    const [ns, one] = [row.ns[peer], first(row.walk, peer)];
    if (!ns?.length || !one?.length) return '';
    return `${median(ns).toFixed(2)} (${(median(ns) / median(one)).toFixed(2)} ×)`;
  };
  return {
    title: 'Working sets, 64-bit, ns an access (and of the smallest)',
    rows: [
      ['order', 'MiB', ...peers],
      ...workingSets.map(row => [row.walk, String(row.mebibytes), ...peers.map(peer => cell(row, peer))]),
    ],
  };
}

function targetTable(found: readonly Target[]): Table {
  const figure = (value: number, unit: string): string =>
    `${unit === 'MiB' ? value.toFixed(0) : value.toFixed(2)} ${unit}`;
  return {
    title: 'Targets',
    words: [0, 3, 4],
    rows: [
      ['', 'at most', 'found', 'met', ''],
      ...found.map(target => [
        target.what,
        figure(target.goal, target.unit),
        target.found === undefined ? 'not measured' : figure(target.found, target.unit),
        { true: 'yes', false: 'NO', undefined: '' }[String(isMet(target))]!,
        target.found === undefined ? '' : target.note,
      ]),
    ],
  };
}

export function tables(results: Results): Table[] {
  const all = [
    programTable(results, 32),
    programTable(results, 64),
    bootTable(results),
    memoryTable(results),
    workingSetTable(results),
    targetTable(targets(results)),
  ];
  return all.filter(({ rows }) => rows.length > 1);
}

export function columns({ rows, words = [0] }: Table): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => row[i]!.length)));
  const set = (cell: string, i: number): string =>
    words.includes(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!);
  return rows.map(row => row.map(set).join('  ').trimEnd()).join('\n');
}

/** Who took part, where, and who could not. */
export function circumstances({ machine, versions, missing, runs, limit }: Results): string[] {
  return [
    `${machine.cpu}, ${machine.cores} cores, ${(machine.memory / 1024).toFixed(0)} GiB`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join('; '),
    `medians of ${runs} ${runs === 1 ? 'run' : 'runs'} that took turns; a program may take ${limit} s`,
    ...Object.entries(missing).map(([name, why]) => `without ${name}: ${why}`),
  ];
}

export const text = (results: Results): string =>
  [
    circumstances(results).join('\n'),
    ...tables(results).map(table => [table.title, columns(table), ...(table.notes ?? [])].join('\n')),
  ].join('\n\n');

export const markdown = (results: Results): string =>
  `${[
    '# Benchmarks\n\nMade by `npm run bench -- --write`; test/bench/README.md says what the figures mean.',
    circumstances(results)
      .map(line => `- ${line}`)
      .join('\n'),
    ...tables(results).map(({ title, rows, words = [0], notes = [] }) => {
      const [head, ...body] = rows.map(row => `| ${row.join(' | ')} |`);
      const rule = `|${rows[0]!.map((_, i) => (words.includes(i) ? '---' : '--:')).join('|')}|`;
      const list = notes.length > 0 ? `\n\n${notes.map(note => `- ${note}`).join('\n')}` : '';
      return `## ${title}\n\n${[head, rule, ...body].join('\n')}${list}`;
    }),
  ].join('\n\n')}\n`;
