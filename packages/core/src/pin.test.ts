import { describe, expect, test } from '@jest/globals';
import { MainboardError } from './errors.ts';
import { connect, createPins, InPin, inputs, OutPin, outputs, PinScope, VectorSink, VectorSource } from './pin.ts';

function line(sources: number) {
  const scope = new PinScope();
  const seen: boolean[] = [];
  const sink = new InPin('pic.ir[3]', scope, 3);
  sink.onChange = (level, index) => {
    expect(index).toBe(3);
    seen.push(level);
  };
  const outs = Array.from({ length: sources }, (_, i) => new OutPin(`dev${i}.irq`, scope));
  for (const out of outs) connect([out, sink]);
  return { scope, seen, sink, outs };
}

describe('outputs and inputs', () => {
  test('an input follows its output, and hears of changes only', () => {
    const { seen, sink, outs } = line(1);
    outs[0]!.set(true);
    outs[0]!.set(true);
    expect(sink.level).toBe(true);
    outs[0]!.set(false);
    expect(seen).toEqual([true, false]);
  });

  test('several drivers are a wired OR', () => {
    const { seen, sink, outs } = line(3);
    outs[0]!.set(true);
    outs[2]!.set(true);
    outs[0]!.set(false);
    expect(seen).toEqual([true]);
    expect(sink.level).toBe(true);
    outs[2]!.set(false);
    expect(seen).toEqual([true, false]);
  });

  test('one output drives several inputs, in the order of the wires', () => {
    const scope = new PinScope();
    const seen: string[] = [];
    const out = new OutPin('a', scope);
    for (const name of ['x', 'y']) {
      const sink = new InPin(name, scope);
      sink.onChange = () => seen.push(name);
      connect([out, sink]);
    }
    out.pulse();
    expect(seen).toEqual(['x', 'y', 'x', 'y']);
  });

  test('a wire to a high output raises the input at once', () => {
    const scope = new PinScope();
    const out = new OutPin('a', scope);
    const sink = new InPin('b', scope);
    out.set(true);
    expect(sink.connected).toBe(false);
    connect([out, sink]);
    expect([sink.level, sink.connected]).toEqual([true, true]);
  });

  test('while the board settles, levels move and nobody is told', () => {
    const { scope, seen, sink, outs } = line(2);
    outs[0]!.set(true);
    scope.settling = true;
    outs[0]!.set(false);
    outs[1]!.set(true);
    outs[1]!.set(false);
    scope.settling = false;
    expect([seen, sink.level, scope.changes]).toEqual([[true], false, 4]);
  });

  test('a wire made twice is refused', () => {
    const { sink, outs } = line(1);
    expect(() => connect([outs[0]!, sink])).toThrow(MainboardError);
    expect(() => connect([outs[0]!, sink])).toThrow('dev0.irq is wired to pic.ir[3] twice');
  });
});

describe('interrupt acknowledge', () => {
  test('a sink asks its source, which answers with a byte', () => {
    const source = new VectorSource('pic.inta', 2);
    source.answer = index => 0x130 + index;
    const sink = new VectorSink('cpu0.inta');
    connect([source, sink]);
    expect(sink.acknowledge()).toBe(0x32);
  });

  test('nobody there: the bus floats high', () => {
    expect(new VectorSink('cpu0.inta').acknowledge()).toBe(0xff);
    expect(new VectorSource('pic.inta').acknowledge()).toBe(0xff);
  });

  test('a sink takes one source only', () => {
    const sink = new VectorSink('cpu0.inta');
    connect([new VectorSource('pic0.inta'), sink]);
    expect(() => connect([new VectorSource('pic1.inta'), sink])).toThrow(
      'cpu0.inta is wired to pic0.inta and to pic1.inta',
    );
  });
});

test('ends that do not go together, in a file that nobody has type-checked', () => {
  const scope = new PinScope();
  const [out, sink] = [new OutPin('pit.out', scope), new VectorSink('cpu0.inta')];
  expect(() => connect([out, undefined] as never)).toThrow(
    'A net goes from pit.out (out) to a pin that does not exist; it must go from an output to an input, or',
  );
  expect(() => connect([undefined, sink] as never)).toThrow(
    'from a pin that does not exist to cpu0.inta (vector-sink)',
  );
  expect(() => connect([out, out] as never)).toThrow('from pit.out (out) to pit.out (out)');
  expect(() => connect([createPins('pit', 'out', outputs(2), scope), sink] as never)).toThrow(
    'from all of pit.out[0], pit.out[1] to cpu0.inta (vector-sink)',
  );
  expect(() => connect([out, sink] as never)).toThrow('from pit.out (out) to cpu0.inta (vector-sink)');
});

test('an array of pins is named by its index', () => {
  const pins = createPins('pic0', 'ir', inputs(2), new PinScope()) as InPin[];
  expect(pins.map(pin => pin.name)).toEqual(['pic0.ir[0]', 'pic0.ir[1]']);
});
