import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Sink, send, until } from './sink.fixture.ts';
import { TcpChardev } from './tcp-chardev.ts';

const host = '127.0.0.1';
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function listening(): Promise<{ chardev: TcpChardev; port: number }> {
  const chardev = await TcpChardev.listen({ host, port: 0 });
  cleanUp.push(() => chardev.abort());
  return { chardev, port: Number(chardev.listening!.split(':')[1]) };
}
async function peer(port: number): Promise<{ socket: Socket; heard(): string }> {
  const socket = createConnection({ host, port });
  cleanUp.push(() => socket.destroy());
  let text = '';
  socket.on('data', bytes => {
    text += bytes.toString('latin1');
  });
  await once(socket, 'connect');
  return { socket, heard: () => text };
}
async function server(): Promise<{ server: Server; port: number; accepted: Promise<Socket> }> {
  const made = createServer();
  made.listen(0, host);
  await once(made, 'listening');
  cleanUp.push(() => made.close());
  const accepted = once(made, 'connection').then(([socket]) => socket as Socket);
  return { server: made, port: (made.address() as AddressInfo).port, accepted };
}

describe('listening', () => {
  test('bytes go both ways', async () => {
    const { chardev, port } = await listening();
    const sink = new Sink();
    chardev.attach(sink);
    const { socket, heard } = await peer(port);
    socket.write('in');
    send(chardev, 'out');
    await until(() => sink.text === 'in' && heard() === 'out');
  });

  test('output waits for the first peer', async () => {
    const { chardev, port } = await listening();
    send(chardev, 'early');
    const { heard } = await peer(port);
    await until(() => heard() === 'early');
  });

  test('one peer at a time, and the next when it has gone', async () => {
    const { chardev, port } = await listening();
    const sink = new Sink();
    chardev.attach(sink);
    const first = await peer(port);
    first.socket.write('1');
    await until(() => sink.text === '1');
    const second = await peer(port);
    await once(second.socket, 'close');
    first.socket.destroy();
    await new Promise<void>(resolve => {
      chardev.onHangUp = resolve;
    });
    const third = await peer(port);
    third.socket.write('3');
    await until(() => sink.text === '13');
  });

  test('a peer that has said all still hears the answer', async () => {
    const { chardev, port } = await listening();
    const sink = new Sink();
    chardev.attach(sink);
    const { socket, heard } = await peer(port);
    socket.end('question');
    await until(() => sink.text === 'question');
    send(chardev, 'answer');
    await chardev.close();
    await until(() => heard() === 'answer');
  });

  test('a taken port', async () => {
    const { port } = await server();
    await expect(TcpChardev.listen({ host, port })).rejects.toThrow(
      `127.0.0.1:${port} cannot be listened on: another program listens there.`,
    );
  });
});

describe('connecting', () => {
  test('bytes go both ways, none lost to a guest that is slow', async () => {
    const { port, accepted } = await server();
    const chardev = await TcpChardev.connect({ host, port });
    cleanUp.push(() => chardev.abort());
    const sink = new Sink(10);
    chardev.attach(sink);
    const other = await accepted;
    cleanUp.push(() => other.destroy());
    const all = 'x'.repeat(300_000);
    other.write(all);
    while (sink.received.length < all.length) {
      await new Promise(resolve => setImmediate(resolve));
      sink.space = 5000;
      chardev.resume();
    }
    expect(sink.text).toBe(all);
  });

  test('after a hang-up output is dropped and never blocks', async () => {
    const { port, accepted } = await server();
    const chardev = await TcpChardev.connect({ host, port });
    const hungUp = new Promise<void>(resolve => {
      chardev.onHangUp = resolve;
    });
    (await accepted).resetAndDestroy();
    await hungUp;
    expect(send(chardev, 'y'.repeat(200_000))).toBe(200_000);
    await chardev.close();
  });

  test('nobody there', async () => {
    const { server: gone, port } = await server();
    gone.close();
    await expect(TcpChardev.connect({ host, port })).rejects.toThrow(
      `127.0.0.1:${port} cannot be connected to: nobody listens there; start its program first, or add ,server to listen.`,
    );
  });
});
