export { BackendError, type BackendErrorCode } from './errors.ts';
export { type EscapeCommand, EscapeKeys } from './escape-keys.ts';
export { FileChardev } from './file-chardev.ts';
export { NodeHost } from './node-host.ts';
export { nodeModule } from './node-module.ts';
export { OutputChardev } from './output-chardev.ts';
export { OutputQueue } from './output-queue.ts';
export { StdioChardev, type StdioOptions, type TerminalInput } from './stdio-chardev.ts';
export { type TcpAddress, TcpChardev } from './tcp-chardev.ts';
