#!/usr/bin/env node
// The command from its TypeScript sources, without a build: node --conditions=source packages/cli/bin/from-source.mjs
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url, { data: { home: import.meta.url } });
const { start } = await import('../src/index.ts');
await start(process.argv.slice(2));
