/** Lets Node import the workspace's TypeScript, and `#interpreter` as generated from it. */
import { readFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const INTERPRETER = 'generated:interpreter';
const generator = new URL('../../packages/accelerator/src/x86/interpreter/generate.ts', import.meta.url);
const { transformSync } = createRequire(new URL('../../packages/cli/package.json', import.meta.url))('amaro');

export function resolve(specifier, context, next) {
  if (specifier === '#interpreter') return { url: INTERPRETER, shortCircuit: true };
  return next(specifier, context);
}

export function load(url, context, next) {
  const source =
    url === INTERPRETER
      ? `import { generateInterpreter } from '${generator}'; export const interpreter = generateInterpreter();`
      : url.endsWith('.ts')
        ? transformSync(readFileSync(new URL(url), 'utf8'), { mode: 'strip-only' }).code
        : undefined;
  return source === undefined ? next(url, context) : { format: 'module', shortCircuit: true, source };
}

// Loaded twice: by --import to register, then as the hooks themselves.
if (isMainThread) register(import.meta.url);
