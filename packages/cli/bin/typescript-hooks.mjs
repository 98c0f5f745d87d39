/**
 * Module hooks: files in TypeScript run as they are, their types stripped by amaro, which is also what newer Nodes have
 * built in. Lines and columns stay what they were. Plain JavaScript, since it is loaded before anything is stripped.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import amaro from 'amaro';

const TYPESCRIPT = /\.m?ts$/;
/** One copy of each for the command and for a user's file, or their tokens would be strangers to each other. */
const OURS = /^@mainboard\//;
/** The copies that our core uses. */
const OF_CORE = /^(inversify|eventemitter3)$/;

/** URL from which our own packages are found. */
let home;

/** @param {{home: string}} data */
export function initialize(data) {
  home = data.home;
}

export async function resolve(specifier, context, next) {
  if (OURS.test(specifier) || OF_CORE.test(specifier)) {
    try {
      const from = OURS.test(specifier) ? home : (await next('@mainboard/core', { ...context, parentURL: home })).url;
      return await next(specifier, { ...context, parentURL: from });
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    }
  }
  try {
    return await next(specifier, context);
  } catch (error) {
    // Imports written as for a compiler's output: './chip.js' where chip.ts lies.
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !/^\.{0,2}\/.*\.m?js$/.test(specifier)) throw error;
    return await next(specifier.replace(/js$/, 'ts'), context).catch(() => {
      throw error;
    });
  }
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !TYPESCRIPT.test(new URL(url).pathname)) return next(url, context);
  const path = fileURLToPath(url);
  const source = await readFile(path, 'utf8');
  return { format: 'module', source: strip(source, path), shortCircuit: true };
}

function strip(source, path) {
  try {
    return amaro.transformSync(source, { mode: 'strip-only', filename: path }).code;
  } catch (report) {
    throw new SyntaxError(`${path}:${placed(String(report.message ?? report))}`);
  }
}

/** `line:column: what`, from amaro's drawing of the place. */
function placed(report) {
  const what = (/^\s*(?:x|×)\s*(.*)$/m.exec(report)?.[1] ?? report.trim()).replace(
    'is not supported in strip-only mode',
    'is more than a type, and only types are taken away; write it in JavaScript',
  );
  const line = /,-\[(\d+):\d+\]/.exec(report)?.[1] ?? '1';
  const gutter = new RegExp(`^\\s*${line} \\| `, 'm').exec(report);
  const caret = /^(\s*: )( *)\^/m.exec(report);
  const column = gutter && caret ? caret[2].length + 1 : 1;
  return `${line}:${column}: ${what}`;
}
