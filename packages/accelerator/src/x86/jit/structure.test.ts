import { describe, expect, test } from '@jest/globals';
import { structure } from './structure.ts';

describe('structure', () => {
  test('a diamond: the join is a merge that the top dominates', () => {
    const { isMerge, children, isLoop } = structure([[1, 2], [3], [3], []]);
    expect(isMerge).toEqual([false, false, false, true]);
    expect(children[0]).toContain(3);
    expect(isLoop).toEqual([false, false, false, false]);
  });

  test('a loop: its head is one, and dominates its body', () => {
    const { isLoop, children, irreducible } = structure([[1], [2], [1, 3], []]);
    expect(isLoop).toEqual([false, true, false, false]);
    expect(children[1]).toEqual([2]);
    expect(irreducible.size).toBe(0);
  });

  test('children come last in order first, so that the outermost block ends where the last begins', () => {
    const { order, children, position } = structure([[1, 2], [3, 4], [3, 4], [4], []]);
    expect(order[0]).toBe(0);
    const at = children[0]!.map(node => position[node]!);
    expect(at).toEqual([...at].sort((a, b) => b - a));
  });

  test('an edge into the middle of a loop cannot be structured', () => {
    const { irreducible } = structure([[1, 2], [2], [1]]);
    expect(irreducible.size).toBe(1);
  });

  test('what cannot be reached has no place', () => {
    expect(structure([[1], [], [1]]).position).toEqual([0, 1, -1]);
  });
});
