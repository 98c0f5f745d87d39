import { readFileSync, writeFileSync } from 'node:fs';
import { moduleText } from './embedded/image-module.ts';
import { assembleEmbedded } from './embedded/index.ts';

/** Writes `src/embedded/image.ts`; `npm run generate -w @mainboard/guests` builds and calls it. */
const file = new URL('../src/embedded/image.ts', import.meta.url);
const text = moduleText(assembleEmbedded());
let before = '';
try {
  before = readFileSync(file, 'utf8');
} catch {
  // The first time there is none.
}
if (text !== before) writeFileSync(file, text);
