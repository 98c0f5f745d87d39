#!/usr/bin/env node
/**
 * Compares the software CPU with the processor under it for as long as one likes; see README.md. Works on the sources
 * as they are: TypeScript is stripped on the way, and the interpreter is generated anew.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const flags = ['--no-warnings', '--conditions=source', '--import', new URL('typescript.mjs', import.meta.url).href];
const { status } = spawnSync(process.execPath, [...flags, here('main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
