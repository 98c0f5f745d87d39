import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as constants from './constants.ts';
import * as ioctls from './ioctls.ts';
import { kvmRun } from './kvm-run.ts';
import type { Layout } from './layout.ts';
import * as structs from './structs.ts';

const layouts: readonly Layout[] = [...Object.values(structs), kvmRun];

/** Each C expression of the probe with the value that our tables give it. */
const expected = new Map<string, number>();
for (const { c, size, fields } of layouts) {
  expected.set(`sizeof(${c})`, size);
  for (const [name, field] of Object.entries(fields)) {
    expected.set(`offsetof(${c}, ${name})`, field.offset);
    // A flexible array member has no size; so only its element's.
    if (field.count > 0) expected.set(`sizeof(((${c} *)0)->${name})`, field.size);
    else expected.set(`sizeof(((${c} *)0)->${name}[0])`, field.type.size);
  }
}
for (const { name, request } of Object.values(ioctls)) expected.set(`(unsigned)${name}`, request);
for (const [prefix, table] of Object.entries({
  KVM_EXIT: constants.KVM_EXIT,
  KVM_CAP: constants.KVM_CAP,
  KVM_INTERNAL_ERROR: constants.KVM_INTERNAL_ERROR,
  KVM_SYSTEM_EVENT: constants.KVM_SYSTEM_EVENT,
  KVM_MP_STATE: constants.KVM_MP_STATE,
}))
  for (const [name, value] of Object.entries(table)) expected.set(`${prefix}_${name}`, value);
for (const [name, value] of Object.entries(constants)) if (typeof value === 'number') expected.set(name, value);

const program = `#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <linux/kvm.h>
int main(void) {
${[...expected.keys()].map(expression => `  printf("%s=%llu\\n", "${expression}", (unsigned long long)(${expression}));`).join('\n')}
  return 0;
}
`;

const run = (command: string, ...parameters: string[]): string =>
  execFileSync(command, parameters, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

const missing = (): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the header is of another system';
  try {
    execFileSync('cc', ['-E', '-x', 'c', '-'], { input: '#include <linux/kvm.h>\n', stdio: ['pipe', 'pipe', 'pipe'] });
    return undefined;
  } catch {
    return 'no C compiler with <linux/kvm.h> here';
  }
};
const reason = missing();
const probe = reason === undefined ? test : test.skip;

probe(`every size, offset, ioctl and constant is that of <linux/kvm.h>${reason ? ` (${reason})` : ''}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'mainboard-abi-'));
  try {
    writeFileSync(join(directory, 'probe.c'), program);
    run('cc', '-w', '-o', join(directory, 'probe'), join(directory, 'probe.c'));
    const actual = Object.fromEntries(
      run(join(directory, 'probe'))
        .trim()
        .split('\n')
        .map(line => [line.slice(0, line.lastIndexOf('=')), Number(line.slice(line.lastIndexOf('=') + 1))]),
    );
    expect(actual).toEqual(Object.fromEntries(expected));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('the probe asks for everything that the tables hold', () => {
  expect(expected.size).toBeGreaterThan(500);
});
