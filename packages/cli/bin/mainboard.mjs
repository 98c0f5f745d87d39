#!/usr/bin/env node
import { existsSync } from 'node:fs';

if (existsSync(new URL('../dist/index.js', import.meta.url))) {
  const { start } = await import('../dist/index.js');
  await start(process.argv.slice(2));
} else {
  process.stderr.write('mainboard: it is not built yet; run npm run build first.\n');
  process.exitCode = 2;
}
