#!/usr/bin/env node
/** `npm run bench`: the software CPU beside QEMU's TCG, v86 and the host itself; see ../README.md. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const flags = ['--no-warnings', '--import', new URL('../../differential/typescript.mjs', import.meta.url).href];
const { status } = spawnSync(process.execPath, [...flags, here('main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
