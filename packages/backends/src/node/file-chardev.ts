import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { BackendError, errnoOf } from './errors.ts';
import { OutputChardev } from './output-chardev.ts';
import { OutputQueue } from './output-queue.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its path goes through something that is no folder',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not write it',
  EPERM: 'this user may not write it',
  EROFS: 'the file system is read-only',
};

/** Writes what a device sends to a file, which is created, or emptied first. Nothing ever comes back from it. */
export class FileChardev extends OutputChardev {
  readonly #stream: WriteStream;

  /**
   * @param failed called once when a write fails later (the disk is full); output is dropped from then on.
   * @throws BackendError `file` when it cannot be opened.
   */
  constructor(path: string, failed?: (error: Error) => void) {
    const stream = create(path);
    super(new OutputQueue(stream, failed));
    this.#stream = stream;
  }

  override async close(): Promise<void> {
    await super.close();
    if (this.#stream.closed) return;
    await new Promise<void>(resolve => {
      this.#stream.once('close', resolve);
      this.#stream.end();
    });
  }
}

function create(path: string): WriteStream {
  try {
    return createWriteStream(path, { fd: openSync(path, 'w') });
  } catch (error) {
    const errno = errnoOf(error);
    throw new BackendError('file', `${path} cannot be written: ${REASONS[errno] ?? errno}.`, errno);
  }
}
