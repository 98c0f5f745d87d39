import { describe, expect, test } from '@jest/globals';
import { MainboardError } from './errors.ts';
import {
  file,
  flag,
  formatSize,
  oneOf,
  optional,
  type Property,
  parseProperty,
  parseSize,
  resolveProperties,
  size,
  text,
  u32,
} from './property.ts';

const table = {
  role: oneOf('master', 'slave'),
  rate: u32(9600, { min: 1, max: 115_200 }),
  memory: size('128M', { min: 2 ** 20, max: 2 ** 32, align: 4096 }),
};

describe('values', () => {
  test('what is not given has its default', () => {
    expect(resolveProperties('uart com1', table, { rate: 300 })).toEqual({
      role: 'master',
      rate: 300,
      memory: 128 * 2 ** 20,
    });
    expect(resolveProperties('uart com1', table, { role: undefined })).toMatchObject({ role: 'master' });
  });

  test('an unknown property is refused, with the ones there are', () => {
    expect(() => resolveProperties('uart com1', table, { speed: 1 })).toThrow(
      'uart com1 has no property "speed"; it has role, rate and memory.',
    );
  });

  test.each([
    ['role', 'slvae', 'uart com1: role must be one of master and slave, not "slvae".'],
    ['rate', 0, 'uart com1: rate must be a whole number from 1 to 115200, not 0.'],
    ['rate', 1.5, 'must be a whole number'],
    ['rate', '300', 'must be a whole number'],
    ['memory', 5000, 'uart com1: memory must be a size from 1M to 4G in steps of 4K, such as 256M, not 5000.'],
    ['memory', 2 ** 20 + 512, 'in steps of 4K, such as 256M, not 1049088.'],
  ])('%s = %p is refused', (name, value, message) => {
    const attempt = () => resolveProperties('uart com1', table, { [name]: value });
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(MainboardError);
  });
});

describe('text, as on a command line', () => {
  const all: Record<string, Property<unknown>> = {
    ...table,
    on: flag(),
    note: text('x'),
    image: file(),
    limit: optional(u32(5)),
  };
  test.each([
    ['role', 'slave', 'slave'],
    ['rate', '0x12c', 300],
    ['memory', '256M', 2 ** 28],
    ['on', 'off', false],
    ['on', 'Yes', true],
    ['note', 'a b', 'a b'],
    ['limit', '7', 7],
  ])('%s=%s', (name, given, value) => {
    expect(parseProperty('machine pc', all, name, given)).toBe(value);
  });

  test.each([
    ['role', 'x', 'machine pc: role must be one of master and slave, not "x".'],
    ['rate', '1e3', 'machine pc: rate must be a whole number from 1 to 115200, not "1e3".'],
    ['memory', '12Q', 'machine pc: memory must be a size from 1M to 4G'],
    ['on', 'maybe', 'machine pc: on must be on or off, not "maybe".'],
    ['image', 'f.bin', 'machine pc: image must be the name and the bytes of a file, not "f.bin".'],
    ['nothing', '1', 'machine pc has no property "nothing"; it has role, rate'],
  ])('%s=%s is refused', (name, given, message) => {
    expect(() => parseProperty('machine pc', all, name, given)).toThrow(message);
  });
});

test('sizes are read and written with powers of 1024', () => {
  expect(['64K', '1g', '4096', '2MiB', '3 M', '-1', '', 'M'].map(parseSize)).toEqual([
    65_536,
    2 ** 30,
    4096,
    2 ** 21,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect([0, 4096, 1000, 3 * 2 ** 29, 2 ** 30].map(formatSize)).toEqual(['0', '4K', '1000', '1536M', '1G']);
});

test('about() describes and changes nothing else', () => {
  const memory = table.memory.about('guest RAM');
  expect([memory.description, memory.default, memory.parse('1M'), table.memory.description]).toEqual([
    'guest RAM',
    2 ** 27,
    2 ** 20,
    '',
  ]);
});

test('a file is a name and bytes, or nothing', () => {
  const image = file();
  expect([image.check(undefined), image.check({ name: 'a', bytes: new Uint8Array(1) })]).toEqual([
    undefined,
    undefined,
  ]);
  expect(image.check('a')).toMatch(/must be/);
  expect(image.check(null)).toMatch(/must be/);
});
