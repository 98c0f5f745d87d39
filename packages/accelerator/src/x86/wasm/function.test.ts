import { describe, expect, test } from '@jest/globals';
import { compileModule } from './compile-module.ts';
import { FunctionWriter } from './function.ts';
import { type BranchHint, ModuleWriter, type Signature } from './module.ts';

const compile = (
  signature: Signature,
  write: (f: FunctionWriter) => void,
): { run: (...args: number[]) => number; code: readonly number[]; hints: readonly BranchHint[]; bytes: Uint8Array } => {
  const module = new ModuleWriter();
  const index = module.declare(signature);
  const f = new FunctionWriter(signature);
  write(f);
  const body = f.body();
  module.define(index, body);
  module.export('run', index);
  module.table([index]);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const instance = new WebAssembly.Instance(compileModule(module.bytes()), { env: { memory } });
  const run = instance.exports.run as (...args: number[]) => number;
  return { run, code: body.code, hints: body.hints, bytes: module.bytes() };
};
const i32 = { params: ['i32', 'i32'], results: ['i32'] } as const;

describe('FunctionWriter', () => {
  test('a value used twice is computed once', () => {
    const { run, code } = compile(i32, f => {
      const sum = f.op('i32.add', f.param(0), f.param(1));
      f.return(f.op('i32.mul', sum, sum));
    });
    expect(run(3, 4)).toBe(49);
    expect(code.filter(byte => byte === 0x6a)).toHaveLength(1);
  });

  test('what only dead values use is not emitted', () => {
    const { code } = compile(i32, f => {
      const dead = f.op('i32.mul', f.param(0), f.param(1));
      f.op('i32.sub', dead, f.i32(1));
      f.load('i32.load', f.param(0));
      f.return(f.param(0));
    });
    expect(code).toEqual([0x20, 0, 0x0f]);
  });

  test('a load stays before the store that follows it', () => {
    const { run } = compile(i32, f => {
      f.store('i32.store', f.i32(8), 0, f.param(0));
      const before = f.load('i32.load', f.i32(8));
      f.store('i32.store', f.i32(8), 0, f.param(1));
      f.return(before);
    });
    expect(run(5, 6)).toBe(5);
  });

  test('a load that nothing comes in the way of is not kept in a local', () => {
    const { run, code } = compile(i32, f => {
      const value = f.load('i32.load', f.param(0));
      f.set(f.variable('i32'), f.param(1));
      f.return(f.op('i32.add', value, f.param(1)));
    });
    expect(run(0, 6)).toBe(6);
    expect(code.slice(-9)).toEqual([0x20, 0, 0x28, 0, 0, 0x20, 1, 0x6a, 0x0f]);
  });

  test('a load before a loop that writes is not repeated in it', () => {
    const { run } = compile(i32, f => {
      const turns = f.variable('i32', f.param(1));
      f.store('i32.store', f.i32(8), 0, f.param(0));
      const before = f.load('i32.load', f.i32(8));
      const seen = f.variable('i32');
      f.loop(again => {
        f.set(seen, before);
        f.store('i32.store', f.i32(8), 0, f.i32(77));
        f.set(turns, f.op('i32.sub', f.get(turns), f.i32(1)));
        f.branch(again, f.get(turns));
      });
      f.return(f.get(seen));
    });
    expect(run(5, 3)).toBe(5);
  });

  test('a load does not move over a call or into what comes after a branch that writes', () => {
    const { run } = compile(i32, f => {
      f.store('i32.store', f.i32(8), 0, f.param(0));
      const before = f.load('i32.load', f.i32(8));
      f.if(f.param(1), () => f.store('i32.store', f.i32(8), 0, f.i32(77)));
      f.return(before);
    });
    expect([run(5, 0), run(5, 1)]).toEqual([5, 5]);
  });

  test('a variable is read from its own local while it keeps its value', () => {
    const { run, code } = compile(i32, f => {
      const sum = f.variable('i32', f.param(0));
      const now = f.get(sum);
      f.store('i32.store', f.i32(8), 0, now);
      f.set(sum, f.op('i32.add', now, f.param(1)));
      f.return(f.get(sum));
    });
    expect(run(3, 4)).toBe(7);
    expect(code.filter(byte => byte === 0x21)).toHaveLength(2); // its initial value, and the sum
  });

  test('what a variable was is kept when it is set before the last use', () => {
    const { run } = compile(i32, f => {
      const swapped = f.variable('i32', f.param(0));
      const other = f.variable('i32', f.param(1));
      const [a, b] = [f.get(swapped), f.get(other)];
      f.set(swapped, b);
      f.set(other, a);
      f.return(f.op('i32.sub', f.get(swapped), f.get(other)));
    });
    expect(run(3, 10)).toBe(7);
  });

  test('what a variable was is kept when only one branch sets it, or when the use is in an operator that moves', () => {
    const { run } = compile(i32, f => {
      const v = f.variable('i32', f.param(0));
      const later = f.op('i32.mul', f.get(v), f.i32(10));
      f.if(f.param(1), () => f.set(v, f.i32(1)));
      f.return(f.op('i32.add', later, f.get(v)));
    });
    expect([run(4, 0), run(4, 1)]).toEqual([44, 41]);
  });

  test('what a variable was before a loop is the same in every round', () => {
    const { run } = compile(i32, f => {
      const left = f.variable('i32', f.param(0));
      const sum = f.variable('i32');
      const first = f.get(left);
      f.loop(again => {
        f.set(sum, f.op('i32.add', f.get(sum), first));
        f.set(left, f.op('i32.sub', f.get(left), f.i32(1)));
        f.branch(again, f.get(left));
      });
      f.return(f.get(sum));
    });
    expect(run(4, 0)).toBe(16);
  });

  test('what is loaded late counts as set', () => {
    const { run } = compile(i32, f => {
      const v = f.variable('i64', f.i64(5));
      const before = f.get(v);
      f.store('i64.store', f.i32(8), 0, f.i64(9));
      f.late(() => [{ load: v, at: 8 }]);
      f.return(f.op('i32.wrap_i64', f.op('i64.sub', f.get(v), before)));
    });
    expect(run(0, 0)).toBe(4);
  });

  test('a value that is used at once stays on the stack', () => {
    const { run, code } = compile(i32, f => {
      const sum = f.op('i32.add', f.param(0), f.param(1));
      f.return(f.op('i32.sub', f.op('i32.mul', sum, f.i32(3)), sum));
    });
    expect(run(3, 4)).toBe(14);
    expect(code).toEqual([0x20, 0, 0x20, 1, 0x6a, 0x22, 2, 0x41, 3, 0x6c, 0x20, 2, 0x6b, 0x0f]);
  });

  test('the opposite of a comparison is a comparison; NaN has none', () => {
    const { run, code } = compile(i32, f => {
      const less = f.op('i32.lt_s', f.param(0), f.param(1));
      const nan = f.op('f32.lt', f.op('f32.convert_i32_s', f.param(0)), f.op('f32.reinterpret_i32', f.i32(-1)));
      f.if(f.op('i32.eqz', f.op('i32.eqz', f.op('i32.and', f.op('i32.eqz', less), f.op('i32.eqz', nan)))), () =>
        f.return(f.i32(1)),
      );
      f.return(f.i32(0));
    });
    expect([run(-1, 2), run(2, -1), run(2, 2)]).toEqual([0, 1, 1]);
    expect(code.filter(byte => byte === 0x45)).toHaveLength(1);
  });

  test('a branch that hardly runs is hinted at, in the function and in the module', () => {
    const { run, code, hints, bytes } = compile(i32, f => {
      const least = f.variable('i32', f.param(0));
      f.if(f.op('i32.lt_s', f.param(1), f.param(0)), () => {
        f.rare();
        f.set(least, f.param(1));
      });
      const odd = f.op('i32.and', f.get(least), f.i32(1));
      f.if(f.op('i32.eqz', odd), () => f.return(f.get(least)));
      const half = f.choose(
        f.op('i32.gt_s', f.get(least), f.i32(0)),
        'i32',
        () => f.op('i32.shr_u', f.get(least), f.i32(1)),
        () => {
          f.rare();
          return f.i32(0);
        },
      );
      f.return(half);
    });
    expect([run(6, 4), run(9, 11), run(-3, 0)]).toEqual([4, 4, 0]);
    expect(hints.map(({ taken }) => taken)).toEqual([false, true]);
    for (const { at } of hints) expect(code[at]).toBe(0x04); // if
    const name = 'metadata.code.branch_hint';
    const section = String.fromCharCode(...bytes).indexOf(name) + name.length;
    const locals = 2; // one run of i32
    expect([...bytes.subarray(section, section + 10)]).toEqual([
      ...[1, 0, 2], // one function, number 0, two hints
      ...[bytes[section + 3], 1, 0, bytes[section + 6], 1, 1],
      10, // the code section follows
    ]);
    expect(bytes[section + 3]! - hints[0]!.at).toBe(1 + locals);
  });

  test('a loop with a variable, left by a branch', () => {
    const { run } = compile(i32, f => {
      const n = f.variable('i32', f.param(0));
      const sum = f.variable('i32', f.i32(0));
      f.block(done =>
        f.loop(again => {
          f.branch(done, f.op('i32.eqz', f.get(n)));
          f.set(sum, f.op('i32.add', f.get(sum), f.get(n)));
          f.set(n, f.op('i32.sub', f.get(n), f.i32(1)));
          f.branch(again);
        }),
      );
      f.return(f.get(sum));
    });
    expect(run(10, 0)).toBe(55);
  });

  test('both arms of an if see values made before it', () => {
    const { run } = compile(i32, f => {
      const sum = f.op('i32.add', f.param(0), f.param(1));
      const result = f.variable('i32');
      f.if(
        f.op('i32.lt_s', f.param(0), f.i32(0)),
        () => f.set(result, f.op('i32.sub', f.i32(0), sum)),
        () => f.set(result, sum),
      );
      f.return(f.get(result));
    });
    expect([run(-5, 2), run(5, 2)]).toEqual([3, 7]);
  });
});
