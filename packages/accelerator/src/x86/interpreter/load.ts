import { interpreter } from '#interpreter';
import { compileModule } from '../wasm/compile-module.ts';
import { HandlerTable } from './handler-table.ts';

/** Compiled on first use, for all machines of the process: it holds nothing of any of them. */
let compiled: { readonly module: WebAssembly.Module; readonly handlers: HandlerTable } | undefined;

/** An instance of the interpreter over one memory. */
export function loadInterpreter(
  memory: WebAssembly.Memory,
  imports: Record<string, (...args: number[]) => unknown>,
): { instance: WebAssembly.Instance; handlers: HandlerTable } {
  compiled ??= { module: compileModule(interpreter.bytes), handlers: new HandlerTable(interpreter) };
  const instance = new WebAssembly.Instance(compiled.module, { env: { ...imports, memory } });
  return { instance, handlers: compiled.handlers };
}
