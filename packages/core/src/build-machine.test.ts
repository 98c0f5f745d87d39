import { describe, expect, test } from '@jest/globals';
import { FakeAccelerator, FakeChardev, FakeHost } from '@mainboard/testing';
import { Container, ContainerModule } from 'inversify';
import type { Board } from './board.ts';
import { buildMachine } from './build-machine.ts';
import { defineDevice, deviceModule } from './device.ts';
import { MainboardError } from './errors.ts';
import { bench, container, definition, pic, ticker } from './machine.fixture.ts';
import { defineMachine } from './machine-definition.ts';
import { Accelerator } from './ports/accelerator.ts';
import { Chardev } from './ports/chardev.ts';
import { Host } from './ports/host.ts';

describe('composition', () => {
  const terminal = defineDevice('terminal', { spec: 'x', backends: { line: Chardev } }, ({ backends }) => {
    backends.line.write(0x41);
    return {};
  });
  const two = defineMachine('two', {}, board => {
    board.add('com1', terminal);
    board.add('com2', terminal);
  });
  const failing = (build: (board: Board<object>) => void) => () =>
    buildMachine(defineMachine('bad', {}, build), {}, container());

  test('a backend by role, and one for all others', () => {
    const c = container(undefined, undefined, terminal);
    const [first, other] = [new FakeChardev(), new FakeChardev()];
    c.bind<Chardev>(Chardev).toConstantValue(first).whenNamed('com1');
    c.bind<Chardev>(Chardev).toConstantValue(other).whenDefault();
    buildMachine(two, {}, c);
    expect([first.text, other.text]).toEqual(['A', 'A']);
  });

  test('one backend for all, bound without a rule', () => {
    const c = container(undefined, undefined, terminal);
    const line = new FakeChardev();
    c.bind<Chardev>(Chardev).toConstantValue(line);
    buildMachine(two, {}, c);
    expect(line.text).toBe('AA');
  });

  test('a backend that is missing, or not to be told apart', () => {
    const none = container(undefined, undefined, terminal);
    expect(() => buildMachine(two, {}, none)).toThrow(
      "Device com1 needs a Chardev, and none is bound; bind one .whenNamed('com1') or .whenDefault().",
    );
    none.bind<Chardev>(Chardev).toConstantValue(new FakeChardev());
    none.bind<Chardev>(Chardev).toConstantValue(new FakeChardev()).whenNamed('com1');
    expect(() => buildMachine(two, {}, none)).toThrow(
      "Several bindings of Chardev fit device com1; bind one .whenNamed('com1') and the one for all others .whenDefault().",
    );
  });

  test('a module rebinds a chip, which meets the machine’s own accelerator', () => {
    const met: unknown[] = [];
    const c = new Container();
    c.bind<Host>(Host).toConstantValue(new FakeHost());
    c.bind<Accelerator>(Accelerator).toDynamicValue(() => new FakeAccelerator());
    c.load(deviceModule(pic, ticker));
    c.load(
      new ContainerModule(({ rebind }) => {
        rebind<unknown>(pic.id).toResolvedValue(
          (accelerator: Accelerator) => ({
            create() {
              met.push(accelerator);
              return {};
            },
          }),
          [Accelerator],
        );
      }),
    );
    const machines = [buildMachine(definition, {}, c), buildMachine(definition, {}, c)];
    expect(met).toEqual(machines.map(({ accelerator }) => accelerator));
    expect(met[0]).not.toBe(met[1]);
  });

  test('the modules of two machines with a chip in common go together; two accelerators do not', () => {
    const c = container();
    c.load(deviceModule(pic, ticker));
    expect(buildMachine(definition, {}, c).devices.size).toBe(2);
    c.bind<Accelerator>(Accelerator).toConstantValue(new FakeAccelerator());
    expect(() => buildMachine(definition, {}, c)).toThrow(
      'Several bindings of Accelerator fit; load one module that binds it',
    );
  });

  test('what is not bound is named', () => {
    expect(() => buildMachine(definition, {}, new Container())).toThrow('Nothing is bound to Host.');
    const c = container();
    const lost = defineDevice('lost', { spec: 'x' }, () => ({}));
    expect(() =>
      buildMachine(
        defineMachine('m', {}, board => void board.add('x', lost)),
        {},
        c,
      ),
    ).toThrow('Load deviceModule(…) with the type lost.');
  });

  test('a board that fails gives its accelerator back, and what its devices hold', () => {
    const accelerator = new FakeAccelerator();
    let held = true;
    const holder = defineDevice('holder', { spec: 'x' }, () => ({
      dispose() {
        held = false;
      },
    }));
    const build = () =>
      buildMachine(
        defineMachine('bad', {}, board => {
          board.add('a', holder);
          throw new MainboardError('bad-image', 'no kernel');
        }),
        {},
        container(accelerator, new FakeHost(), holder),
      );
    expect(build).toThrow('no kernel');
    expect([accelerator.disposed, held]).toEqual([true, false]);
  });

  test('options are checked', () => {
    expect(() => buildMachine(definition, { memry: 1 } as never, container())).toThrow(
      'machine test has no property "memry"; it has memory and period.',
    );
  });

  test('boards that cannot be', () => {
    expect(failing(board => void [board.add('a', pic), board.add('a', pic)])).toThrow(
      'The board has two devices named a;',
    );
    expect(failing(board => void board.add('a', undefined as never))).toThrow(
      'The type of device a does not exist; check its import.',
    );
    expect(failing(board => board.ports.map({ 0: board.ram(16) as never }))).toThrow(
      'cannot be mapped at 0x0 in ports',
    );
    expect(failing(board => void board.ram(0))).toThrow('has 0 bytes; RAM and ROM need a whole number above 0.');
    expect(failing(board => void [board.rom('a', 16), board.rom('a', 16)])).toThrow('two memories named a');
    expect(failing(board => void board.ram(5 * 2 ** 30))).toThrow(
      'The board has 5G of RAM and ROM, one machine can have',
    );
    expect(failing(board => void board.ram(4096).slice(0, 8192))).toThrow(
      'the slice from 0x0 to 0x2000 does not lie inside',
    );
  });

  test('a machine that adds to another finds its chips', () => {
    const found: string[] = [];
    const finding = (name: string, type: typeof pic) => () =>
      buildMachine(
        defineMachine('more', definition.options, board => {
          definition.build(board);
          found.push(board.find(name, type).int.name);
        }),
        {},
        container(),
      );
    finding('pic0', pic)();
    expect(found).toEqual(['pic0.int']);
    expect(finding('pci0', pic)).toThrow('The board has no test-pic named pci0; of that type it has pic0.');
    expect(finding('tick', pic)).toThrow('The board has no test-pic named tick;');
  });

  test('a board is frozen when it is built', () => {
    let kept: Board<object> | undefined;
    buildMachine(
      defineMachine('m', {}, board => {
        kept = board;
      }),
      {},
      container(),
    );
    expect(() => kept!.ram(4096)).toThrow('The board is frozen');
    expect(() => kept!.wire([])).toThrow('The board is frozen');
  });

  test('a board file may take the board apart', () => {
    const apart = defineMachine('apart', {}, ({ add, wire, ram, rom, cpus: [cpu], memory }) => {
      const pic0 = add('pic0', pic);
      memory.map({ 0: ram(4096), 0x1000: rom('boot', 4096) });
      wire([[pic0.int, cpu.intr]]);
    });
    expect(buildMachine(apart, {}, container()).bus.memoryPeek(0x1000, 2)).toBe(0xffff);
  });

  test('machines in one process have nothing in common', () => {
    const first = bench();
    const second = bench();
    first.machine.reset();
    second.machine.reset();
    first.bus.memoryWrite(0, 1, 1);
    first.bus.portWrite(0x40, 1, 1);
    expect([second.bus.memoryPeek(0, 1), second.bus.portPeek(0x40, 1), second.machine.clock.queue.next]).toEqual([
      0,
      0,
      Number.POSITIVE_INFINITY,
    ]);
  });
});
