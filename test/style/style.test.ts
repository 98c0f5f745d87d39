import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every TypeScript source below a folder of the workspace, tests left out. */
function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(node_modules|dist|generated)$/.test(entry.name) ? [] : sources(path);
    return path.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(path) ? [path] : [];
  });
}
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const importsOf = (path: string): string[] =>
  [...text(path).matchAll(/(?:\bfrom|(?<!\.)\bimport\()\s*'([^']+)'/g)].map(match => match[1]!);
/** Code without comments and strings, roughly: enough to look for names. */
const code = (path: string): string => text(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'/gm, '');

describe('imports run one way', () => {
  const ALLOWED: Record<string, readonly string[]> = {
    'packages/core/src': ['eventemitter3', 'inversify'],
    'packages/testing/src': ['@mainboard/core', 'inversify'],
    'packages/devices/src': ['@mainboard/core'],
    'packages/accelerator/src/x86': ['@mainboard/core', 'inversify', '#interpreter'],
    'packages/accelerator/src/kvm': ['@mainboard/core', '@mainboard/devices', 'inversify', 'koffi', 'node:*'],
    'packages/backends/src': ['@mainboard/core', 'inversify', 'node:*'],
    'packages/guests/src': ['iced-x86', 'node:*'],
    machines: ['@mainboard/core', '@mainboard/devices', 'inversify'],
    examples: ['@mainboard/core', '@mainboard/devices', '@mainboard/machines', 'inversify'],
  };
  test.each(Object.entries(ALLOWED))('%s', (folder, allowed) => {
    const wrong = sources(folder).flatMap(path =>
      importsOf(path)
        .filter(name => !name.startsWith('.'))
        .filter(
          name =>
            !allowed.some(ok =>
              ok === 'node:*' ? name.startsWith('node:') : name === ok || name.startsWith(`${ok}/`),
            ),
        )
        .map(name => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

test('host-neutral packages take time, randomness and events from their host port only', () => {
  const banned =
    /\b(Date|Math\.random|performance|set(?:Timeout|Interval|Immediate)|queueMicrotask|process|Buffer|window|document)\b(?!\s*:)/;
  const neutral = [
    'packages/core/src',
    'packages/devices/src',
    'packages/accelerator/src/x86',
    'packages/testing/src',
    'machines',
  ];
  const wrong = neutral.flatMap(sources).flatMap(path => {
    const found =
      /\b(?:new Date|Date\.|Math\.random|performance\.|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|Buffer\.)/.exec(
        code(path),
      );
    return found && banned.test(found[0]) ? [`${path}: ${found[0]}`] : [];
  });
  expect(wrong).toEqual([]);
});

describe('sizes', () => {
  const lines = (path: string): number => text(path).trimEnd().split('\n').length;
  test('a board has at most 60 lines, a module at most 40', () => {
    const long = sources('machines').filter(
      path => (path.endsWith('.board.ts') && lines(path) > 60) || (path.endsWith('.module.ts') && lines(path) > 40),
    );
    expect(long).toEqual([]);
  });
  test('a file of more than 400 lines is one that we have looked at', () => {
    // Each entry with its reason.
    const REASONS: Record<string, string> = {
      'packages/accelerator/src/x86/semantics/integer.ts': 'descriptions, one after the other',
    };
    const long = ['packages', 'machines', 'examples']
      .flatMap(sources)
      .filter(path => lines(path) > 400 && !(path in REASONS) && !/\/isa\/|\/modes\//.test(path));
    expect(long).toEqual([]);
  });
});

test('no path of a machine and no registry is named', () => {
  const { stdout } = spawnSync(
    'git',
    ['grep', '-nIE', '(/work/|/root/|registry\\.npmjs|deb\\.debian\\.org)', '--', ':!test/style/style.test.ts'],
    { cwd: root, encoding: 'utf8' },
  );
  expect(stdout).toBe('');
});

describe('tools', () => {
  const tool = (args: string[]): { status: number | null; output: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    return { status, output: status === 0 ? '' : stdout + stderr };
  };
  test('biome has nothing to say', () => {
    expect(
      tool([
        join('node_modules', '@biomejs', 'biome', 'bin', 'biome'),
        'check',
        '--colors=off',
        '--max-diagnostics=20',
        '--diagnostic-level=error',
      ]),
    ).toEqual({ status: 0, output: '' });
  }, 60_000);
  test('everything compiles, tests included', () => {
    expect(tool([join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.test.json'])).toEqual({
      status: 0,
      output: '',
    });
  }, 120_000);
});
