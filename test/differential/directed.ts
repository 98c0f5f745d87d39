import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Tests that say what an instruction is to do, one by one. Random ones are elsewhere. */
const DIRECTED = ['packages/accelerator/src/x86/', 'test/boot/modes', 'test/differential/found'];

/** Rows (by index) that directed tests execute in software: runs them, with `executed-rows.setup.ts`. */
export function directedRows(): Set<number> {
  const directory = mkdtempSync(join(tmpdir(), 'rows-'));
  try {
    const jest = fileURLToPath(new URL('../../scripts/test.mjs', import.meta.url));
    // Some tests count blocks, which are shorter here: what they find is for another run to say.
    spawnSync(process.execPath, [jest, ...DIRECTED], {
      env: { ...process.env, MAINBOARD_ROWS: directory },
      stdio: 'ignore',
    });
    const rows = new Set<number>();
    for (const name of readdirSync(directory))
      for (const index of JSON.parse(readFileSync(join(directory, name), 'utf8')) as number[]) rows.add(index);
    return rows;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
