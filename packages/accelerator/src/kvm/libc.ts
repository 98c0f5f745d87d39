import koffi from 'koffi';
import { KvmError } from './errors.ts';

/**
 * The C library, as far as we call it. All calls are synchronous, in the calling thread. Results are those of C: −1
 * for an error, whose number {@link Libc.errno} then gives if asked at once.
 */
export interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  /** An ioctl whose argument is a number. The hot one: `KVM_RUN` goes through here. */
  ioctl(fd: number, request: number, argument: number): number;
  /** An ioctl whose argument points to a struct. */
  ioctlStruct(fd: number, request: number, argument: Uint8Array): number;
  /** Maps `length` bytes of `fd` from its start, shared, for reading and writing. @returns the address, or −1. */
  mmap(length: number, fd: number): number;
  munmap(address: number, length: number): number;
  gettid(): number;
  timerCreate(clock: number, event: Uint8Array, timer: Uint8Array): number;
  timerSettime(timer: number, flags: number, value: Uint8Array, old: Uint8Array): number;
  timerDelete(timer: number): number;
  /** `rt_sigprocmask`: the calling thread's mask, 8 bytes. */
  sigprocmask(how: number, set: Uint8Array, old: Uint8Array): number;
  /** `rt_sigtimedwait`: takes a pending signal of `set` without a handler. @returns its number. */
  sigtimedwait(set: Uint8Array, info: null, timeout: Uint8Array): number;
  errno(): number;
  /** Where a view's first byte lies. */
  addressOf(bytes: Uint8Array): bigint;
  /** `length` bytes at `address` as a buffer, without a copy. */
  view(address: number, length: number): ArrayBuffer;
}

/** x86-64 system call numbers (<asm/unistd_64.h>). */
const SYS = {
  rt_sigprocmask: 14,
  rt_sigtimedwait: 128,
  gettid: 186,
  timer_create: 222,
  timer_settime: 223,
  timer_delete: 226,
} as const;
const SIGSET_SIZE = 8;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

/**
 * Binds the C library that Node itself runs on. @throws {@link KvmError} `not-linux` when it lacks a function.
 *
 * SAFETY, for all bindings: a `Uint8Array` argument is passed as the address of its first byte and stays put during
 * the call, since the caller holds it and calls are synchronous; the kernel keeps none of these addresses. Buffers
 * are as large as the struct that the request names (abi/, compared with the headers by a test). `ioctl`, `syscall`
 * and `open` are variadic in C; on x86-64 integer and pointer arguments travel in the same registers either way.
 * Timers and signal masks are asked of the kernel by number, since `timer_create` of a C library has a `timer_t`
 * and a place (librt) of its own. No call calls back into JavaScript.
 */
export const openLibc = (): Libc => {
  try {
    const lib = koffi.load(null);
    const open = lib.func('open', 'int', ['str', 'int']);
    const close = lib.func('close', 'int', ['int']);
    const ioctl = lib.func('ioctl', 'int', ['int', 'uint32', 'uint32']);
    const ioctlStruct = lib.func('ioctl', 'int', ['int', 'uint32', 'void *']);
    const mmap = lib.func('mmap', 'intptr_t', ['uintptr_t', 'size_t', 'int', 'int', 'int', 'int64']);
    const munmap = lib.func('munmap', 'int', ['uintptr_t', 'size_t']);
    const plain = lib.func('syscall', 'long', ['long', 'long']);
    const timerCreate = lib.func('syscall', 'long', ['long', 'long', 'void *', 'void *']);
    const timerSettime = lib.func('syscall', 'long', ['long', 'long', 'long', 'void *', 'void *']);
    const sigprocmask = lib.func('syscall', 'long', ['long', 'long', 'void *', 'void *', 'size_t']);
    const sigtimedwait = lib.func('syscall', 'long', ['long', 'void *', 'void *', 'void *', 'size_t']);
    return {
      open,
      close,
      ioctl,
      ioctlStruct,
      mmap: (length, fd) => mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0),
      munmap,
      gettid: () => plain(SYS.gettid, 0),
      timerCreate: (clock, event, timer) => timerCreate(SYS.timer_create, clock, event, timer),
      timerSettime: (timer, flags, value, old) => timerSettime(SYS.timer_settime, timer, flags, value, old),
      timerDelete: timer => plain(SYS.timer_delete, timer),
      sigprocmask: (how, set, old) => sigprocmask(SYS.rt_sigprocmask, how, set, old, SIGSET_SIZE),
      sigtimedwait: (set, info, timeout) => sigtimedwait(SYS.rt_sigtimedwait, set, info, timeout, SIGSET_SIZE),
      errno: () => koffi.errno(),
      addressOf: bytes => koffi.address(bytes),
      view: (address, length) => koffi.view(BigInt(address), length),
    };
  } catch (cause) {
    throw new KvmError(
      'not-linux',
      `KVM needs Linux on x86-64 (${cause instanceof Error ? cause.message : cause}); use --accel soft.`,
    );
  }
};

/** Numbers of the errors that we tell apart. */
export const EINTR = 4;
export const E2BIG = 7;

/** @returns `EACCES` and the like. */
export const errnoName = (number: number): string =>
  Object.entries(koffi.os.errno).find(([, n]) => n === number)?.[0] ?? `errno ${number}`;
