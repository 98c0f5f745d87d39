import type { Ioctl } from './abi/ioctls.ts';
import { KvmError } from './errors.ts';
import { errnoName, type Libc } from './libc.ts';

/** One of KVM's three kinds of descriptor: the system, a VM, a vCPU. Errors throw, with the request's name. */
export class Descriptor {
  readonly libc: Libc;
  readonly fd: number;
  #open = true;

  /** Takes over `fd`, which {@link close} closes. */
  constructor(libc: Libc, fd: number) {
    this.libc = libc;
    this.fd = fd;
  }

  /** @param argument a number of 32 bits. @returns what the kernel returned, 0 or more. */
  call(ioctl: Ioctl, argument = 0): number {
    // SAFETY: a request without a struct; the kernel takes the argument as a number.
    return this.#check(ioctl, this.libc.ioctl(this.fd, ioctl.request, argument));
  }

  /** @param argument the struct that the request names, which the kernel reads or fills in. */
  callStruct(ioctl: Ioctl, argument: { readonly bytes: Uint8Array }): number {
    // SAFETY: `bytes` is at least as large as the request's struct and is held by the caller during the call.
    return this.#check(ioctl, this.libc.ioctlStruct(this.fd, ioctl.request, argument.bytes));
  }

  /** Like {@link callStruct}, but an error is a result: the number of the error, or 0. */
  tryStruct(ioctl: Ioctl, argument: { readonly bytes: Uint8Array }): number {
    // SAFETY: as in callStruct.
    return this.libc.ioctlStruct(this.fd, ioctl.request, argument.bytes) < 0 ? this.libc.errno() : 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    // SAFETY: ours to close, and only once, so that no descriptor of somebody else's under the same number is hit.
    this.libc.close(this.fd);
  }

  #check(ioctl: Ioctl, result: number): number {
    if (result >= 0) return result;
    const errno = errnoName(this.libc.errno());
    throw new KvmError('system-call', `KVM refused ${ioctl.name} (${errno}).`, errno);
  }
}
