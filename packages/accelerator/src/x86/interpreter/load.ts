import { generateInterpreter } from './generate.ts';
import { HandlerTable } from './handler-table.ts';

let compiled: { module: WebAssembly.Module; handlers: HandlerTable } | undefined;

/** An instance of the interpreter over one memory. */
export function loadInterpreter(
  memory: WebAssembly.Memory,
  imports: Record<string, (...args: number[]) => unknown>,
): { instance: WebAssembly.Instance; handlers: HandlerTable } {
  if (!compiled) {
    const interpreter = generateInterpreter();
    compiled = { module: new WebAssembly.Module(interpreter.bytes), handlers: new HandlerTable(interpreter) };
  }
  return { instance: new WebAssembly.Instance(compiled.module, { env: { ...imports, memory } }), handlers: compiled.handlers };
}
