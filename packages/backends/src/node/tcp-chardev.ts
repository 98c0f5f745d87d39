import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Chardev, ChardevSink } from '@mainboard/core';
import { BackendError, errnoOf } from './errors.ts';
import { InputQueue } from './input-queue.ts';
import { OutputQueue } from './output-queue.ts';

export interface TcpAddress {
  readonly host: string;
  /** 0–65535; listening on 0 takes any free port. */
  readonly port: number;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'the name has no address',
  EAI_AGAIN: 'the name cannot be looked up',
  ETIMEDOUT: 'there is no answer',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this host has no such address',
  EACCES: 'this user may not use the port',
};

const written = ({ host, port }: TcpAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
const because = (error: unknown): string => REASONS[errnoOf(error)] ?? errnoOf(error);

/**
 * A serial line over TCP, one peer at a time. Neither side loses bytes when the other is slow: the guest waits, or the
 * connection does. While there is no peer yet, output waits for one; after a peer that was connected to has hung up,
 * output is dropped. A listener takes the next peer when one has gone.
 */
export class TcpChardev implements Chardev {
  readonly #input = new InputQueue();
  readonly #output: OutputQueue;
  #socket: Socket | undefined;
  #server: Server | undefined;
  /** The peer has said all it will; it may still listen. */
  #peerEnded = false;
  /** Called when a peer has gone, or has said all it will. */
  onHangUp: () => void = () => {};

  private constructor() {
    this.#output = new OutputQueue(undefined);
  }

  /** Connects to a program that listens. @throws BackendError `connect` */
  static async connect(address: TcpAddress): Promise<TcpChardev> {
    const socket = createConnection({ ...address, allowHalfOpen: true });
    try {
      await once(socket, 'connect');
    } catch (error) {
      socket.destroy();
      throw new BackendError(
        'connect',
        `${written(address)} cannot be connected to: ${because(error)}; start its program first, or add ,server to listen.`,
        errnoOf(error),
      );
    }
    const chardev = new TcpChardev();
    chardev.#serve(socket);
    return chardev;
  }

  /** Listens, and does not wait for the first peer. @throws BackendError `listen` */
  static async listen(address: TcpAddress): Promise<TcpChardev> {
    const chardev = new TcpChardev();
    const server = createServer({ allowHalfOpen: true }, socket => chardev.#accept(socket));
    try {
      server.listen(address);
      await once(server, 'listening');
    } catch (error) {
      server.close();
      throw new BackendError('listen', `${written(address)} cannot be listened on: ${because(error)}.`, errnoOf(error));
    }
    chardev.#server = server;
    return chardev;
  }

  /** Where it listens, with the port that was taken. */
  get listening(): string | undefined {
    if (this.#server === undefined) return undefined;
    const { address, port } = this.#server.address() as AddressInfo;
    return written({ host: address, port });
  }

  attach(sink: ChardevSink): void {
    this.#input.sink = sink;
    this.#output.onDrained(() => sink.drained());
    this.#input.deliver();
  }

  write(byte: number): boolean {
    return this.#output.write(byte);
  }

  resume(): void {
    this.#input.deliver();
    if (this.#input.empty && this.#socket?.isPaused()) this.#socket.resume();
  }

  /** Resolves when the peer has been sent everything, and the connection and the listener are closed. */
  async close(): Promise<void> {
    this.#server?.close();
    await this.#output.emptied();
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    const closed = once(socket, 'close');
    this.#input.sink = undefined;
    this.#input.clear();
    socket.off('data', this.#arrived).resume(); // a socket that is closed with bytes unread would take back what it sent
    socket.end(() => setImmediate(() => socket.destroy()));
    await closed;
  }

  /** Closes at once, whatever waits. */
  abort(): void {
    this.#server?.close();
    this.#socket?.destroy();
  }

  #accept(socket: Socket): void {
    if (this.#socket !== undefined && !this.#peerEnded) {
      socket.destroy(); // one at a time
      return;
    }
    this.#socket?.destroy();
    this.#serve(socket);
  }

  #serve(socket: Socket): void {
    this.#socket = socket;
    this.#peerEnded = false;
    socket.setNoDelay(true);
    socket.on('data', this.#arrived);
    socket.on('end', () => {
      if (this.#socket !== socket) return;
      this.#peerEnded = true;
      this.onHangUp();
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => this.#hungUp(socket));
    this.#output.connect(socket);
  }

  readonly #arrived = (bytes: Uint8Array): void => {
    this.#input.push(bytes);
    if (!this.#input.empty) this.#socket?.pause();
  };

  #hungUp(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#server !== undefined) this.#output.disconnect();
    else this.#output.discard();
    if (!this.#peerEnded) this.onHangUp();
  }
}
