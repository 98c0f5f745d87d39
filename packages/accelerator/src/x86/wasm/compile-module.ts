/** V8 reads branch hints unasked from this version on. */
const HINTS_READ = 13.7;
const HINTS = 'experimental-wasm-branch-hinting';

interface NodeProcess {
  readonly versions?: { readonly v8?: string };
  getBuiltinModule?(name: 'node:v8'): { setFlagsFromString(flag: string): void };
}

/** How Node is told whether to read branch hints; undefined where that is neither needed nor possible. */
const setFlag = ((): ((flag: string) => void) | undefined => {
  const { process } = globalThis as { process?: NodeProcess };
  const version = Number.parseFloat(process?.versions?.v8 ?? '');
  return version < HINTS_READ ? process?.getBuiltinModule?.('node:v8').setFlagsFromString : undefined;
})();

/**
 * Compiles a module with its branch hints (WebAssembly branch hinting proposal): where Node's V8 holds them for an
 * experiment, it is told to read them for as long as that takes, so that nothing else in the process is affected.
 */
export function compileModule(bytes: Uint8Array): WebAssembly.Module {
  setFlag?.(`--${HINTS}`);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    setFlag?.(`--no-${HINTS}`);
  }
}
