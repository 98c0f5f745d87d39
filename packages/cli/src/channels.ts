import type { Chardev } from '@mainboard/core';
import { CliError } from './errors.ts';

/** A host's end of a character channel that is ours to close. */
export interface Channel {
  readonly chardev: Chardev;
  /** Resolves when everything has gone out. */
  close(): Promise<void>;
}

export interface ChannelRequests {
  /** `stdio`, `file:PATH`, `tcp:HOST:PORT[,server]`, `none`. */
  readonly serial: string;
  readonly debugcon: string | undefined;
}

export interface ChannelEvents {
  /** Ctrl-A x. */
  quit(): void;
  /** Ctrl-A h. */
  help(): void;
  /** Output cannot be delivered any more. */
  failed(channel: string, error: Error): void;
  /** Something to say on stderr. */
  note(text: string): void;
}

const FORMS = 'stdio, file:PATH, tcp:HOST:PORT, tcp:HOST:PORT,server or none';

/** Opens what `--serial` and `--debugcon` name. Both on stdio share one output, in order. @throws CliError, BackendError */
export async function openChannels(
  requests: ChannelRequests,
  events: ChannelEvents,
): Promise<{ readonly serial: Channel; readonly debugcon: Channel | undefined; close(): Promise<void> }> {
  const backends = await import('@mainboard/backends');
  let stdout: InstanceType<typeof backends.OutputQueue> | undefined;
  const opened: Channel[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map(channel => channel.close()));
  };
  const output = (): InstanceType<typeof backends.OutputQueue> => {
    stdout ??= new backends.OutputQueue(process.stdout, error => events.failed('standard output', error));
    return stdout;
  };
  const open = async (option: string, spec: string): Promise<Channel> => {
    const [, kind, rest = ''] = /^(\w+)(?::(.*))?$/s.exec(spec) ?? [];
    if (kind === 'none' && rest === '') return { chardev: NOTHING, close: async () => {} };
    if (kind === 'stdio' && rest === '' && option === '--debugcon')
      return channel(new backends.OutputChardev(output()));
    if (kind === 'stdio' && rest === '') {
      const command = (name: 'quit' | 'help'): void => events[name]();
      return channel(new backends.StdioChardev({ input: process.stdin, output: output(), command }));
    }
    if (kind === 'file' && rest !== '')
      return channel(new backends.FileChardev(rest, error => events.failed(rest, error)));
    const tcp = kind === 'tcp' && option === '--serial' ? tcpAddress(rest) : undefined;
    if (tcp === undefined) {
      const forms = option === '--serial' ? FORMS : 'stdio, file:PATH or none';
      throw new CliError(`${option} must be ${forms}, not "${spec}".`);
    }
    const chardev = await (tcp.server ? backends.TcpChardev.listen(tcp) : backends.TcpChardev.connect(tcp));
    if (tcp.server) events.note(`serial listens on ${chardev.listening}`);
    else chardev.onHangUp = () => events.note('the other side of the serial line has hung up');
    return channel(chardev);
  };
  const channel = (chardev: Chardev & { close(): Promise<void> }): Channel => {
    const made = { chardev, close: () => chardev.close() };
    opened.push(made);
    return made;
  };
  try {
    const serial = await open('--serial', requests.serial);
    const debugcon = requests.debugcon === undefined ? undefined : await open('--debugcon', requests.debugcon);
    return { serial, debugcon, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Takes everything, gives nothing. */
const NOTHING: Chardev = { attach() {}, write: () => true, resume() {} };

function tcpAddress(
  text: string,
): { readonly host: string; readonly port: number; readonly server: boolean } | undefined {
  const [, bracketed, plain, port, server] = /^(?:\[([^\]]+)\]|([^:,]+)):(\d{1,5})(,server)?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) return undefined;
  return { host, port: Number(port), server: server !== undefined };
}
