/**
 * What the compiler must refuse. Each line after `@ts-expect-error` is a mistake of a board's or a device's author;
 * `npm run typecheck` fails when one of them compiles.
 */
import { describe, expect, test } from '@jest/globals';
import {
  type Board,
  bit,
  bits,
  bytes,
  Chardev,
  type DeviceHandle,
  defineDevice,
  defineMachine,
  handlers,
  inputs,
  oneOf,
  output,
  outputs,
  registers,
  size,
  u32,
  vectorSinks,
  vectorSource,
} from './index.ts';

const pic = defineDevice(
  'pic',
  {
    spec: 'this test',
    properties: { role: oneOf('master', 'slave') },
    pins: { ir: inputs(8), int: output(), inta: vectorSource(), cascade: vectorSinks(8) },
    windows: {
      regs: registers({
        CMD: { at: 0, size: 1, access: 'rw', fields: { ON: bit(0), MODE: bits(3, 1) } },
        DATA: { at: 1, size: 1, access: 'rw' },
      }),
    },
    state: { irr: 0, on: false, label: 'x', ram: bytes(8), queue: [] },
  },
  ({ props, pins, regs, state, memory }) => {
    const role: 'master' | 'slave' = props.role;
    const mode: number = regs.CMD.MODE;
    const on: boolean = regs.CMD.ON;
    state.irr = mode;
    state.queue.push(1);
    pins.int.set(on && role === 'master');
    // @ts-expect-error there is no such role
    const third: 'third' = props.role;
    // @ts-expect-error properties are given, not set
    props.role = 'slave';
    // @ts-expect-error one bit is a boolean
    regs.CMD.ON = 1;
    // @ts-expect-error several bits are a number
    regs.CMD.MODE = true;
    // @ts-expect-error misspelt field
    regs.CMD.MOED;
    // @ts-expect-error misspelt register
    regs.CDM;
    // @ts-expect-error misspelt state
    state.isr;
    // @ts-expect-error a number stays a number
    state.irr = 'none';
    // @ts-expect-error arrays keep their identity
    state.ram = bytes(8);
    // @ts-expect-error there is no ninth input
    pins.ir[8];
    // @ts-expect-error an input cannot be set
    pins.ir[0].set(true);
    // @ts-expect-error an output has no vector
    pins.int.acknowledge();
    // @ts-expect-error no memory without `dma: true`
    memory.read(0, 1);
    return { vectors: { inta: () => third.length } };
  },
);

const timer = defineDevice('timer', { spec: 'this test', pins: { out: outputs(3) } }, () => ({}));
/** Never run: only its types count. */
export function devices(): void {
  const CMD = { at: 0, size: 1, access: 'rw' } as const;
  defineDevice('x', { spec: 'x', pins: { ir: inputs(2) } }, () => ({
    // @ts-expect-error misspelt input
    inputs: { irr() {} },
  }));
  defineDevice('x', { spec: 'x', pins: { out: output() } }, () => ({
    // @ts-expect-error an output takes no handler
    inputs: { out() {} },
  }));
  defineDevice('x', { spec: 'x', windows: { regs: registers({ CMD }) } }, () => ({
    // @ts-expect-error misspelt register
    registers: { CDM: {} },
  }));
  defineDevice('x', { spec: 'x', windows: { regs: registers({ CMD }) } }, () => ({
    // @ts-expect-error a window of registers is not answered by handlers
    windows: { regs: { peek: () => 0 } },
  }));
  defineDevice('x', { spec: 'x', windows: { fb: handlers(16) } }, () => ({ windows: { fb: { peek: () => 0 } } }));
  defineDevice('x', { spec: 'x', backends: { chardev: Chardev } }, ({ backends }) => ({
    // @ts-expect-error a backend has the type of its token
    update: () => backends.chardev.send(1),
  }));
  // @ts-expect-error no such access
  registers({ CMD: { ...CMD, access: 'r' } });
  // @ts-expect-error no such size
  registers({ CMD: { ...CMD, size: 3 } });
  // @ts-expect-error the data sheet is missing
  defineDevice('x', {}, () => ({}));
}

/** Never run: only its types count. */
export function boards({
  add,
  wire,
  cpus: [cpu],
  options,
  reset,
  memory,
  ports,
  ram,
}: Board<{ memory: number }>): void {
  const master = add('master', pic, { role: 'master' });
  const slave = add('slave', pic);
  const pit = add('pit', timer);
  wire([
    [master.int, cpu.intr],
    [slave.int, master.ir[2]],
    [master.inta, cpu.inta],
    [slave.inta, master.cascade[2]],
    [pit.out[2], reset],
  ]);
  ports.map({ 32: master.regs });
  memory.map({ 0: ram(options.memory).slice(0, 4096) });
  const handle: DeviceHandle<typeof pic.spec> = master;
  void handle;
  // @ts-expect-error there is no ninth input
  wire([[pit.out[0], master.ir[8]]]);
  // @ts-expect-error there is no fourth output
  wire([[pit.out[3], master.ir[0]]]);
  // @ts-expect-error an output cannot be a sink
  wire([[pit.out[0], slave.int]]);
  // @ts-expect-error an input cannot be a source
  wire([[master.ir[0], slave.ir[0]]]);
  // @ts-expect-error a vector is no level
  wire([[master.inta, cpu.intr]]);
  // @ts-expect-error a level is no vector
  wire([[master.int, cpu.inta]]);
  // @ts-expect-error misspelt pin
  wire([[master.itn, cpu.intr]]);
  // @ts-expect-error all the array instead of one of its pins
  wire([[pit.out, cpu.intr]]);
  // @ts-expect-error misspelt role
  add('third', pic, { role: 'slvae' });
  // @ts-expect-error misspelt property
  add('fourth', pic, { rôle: 'slave' });
  // @ts-expect-error a pin is no window
  ports.map({ 160: slave.int });
  // @ts-expect-error misspelt window
  ports.map({ 160: slave.reg });
  // @ts-expect-error RAM is no port
  ports.map({ 160: ram(4096) });
  // @ts-expect-error misspelt option
  options.memroy;
}

describe('definitions', () => {
  test('a device keeps its table, types and all', () => {
    const role: 'master' | 'slave' = pic.spec.properties.role.default;
    expect([pic.type, role, pic.spec.windows.regs.size, pic.spec.pins.ir.count]).toEqual(['pic', 'master', 2, 8]);
  });

  test('a machine’s options have the types of their properties', () => {
    const machine = defineMachine(
      { name: 'm', description: 'a test' },
      { memory: size('1M'), rate: u32(1) },
      ({ options }) => {
        const total: number = options.memory + options.rate;
        void total;
        // @ts-expect-error misspelt option
        options.rats;
      },
    );
    expect([machine.name, machine.description, machine.options.memory.default]).toEqual(['m', 'a test', 2 ** 20]);
  });
});
