/** Everything that can be wrong between us and KVM. */
export type KvmErrorCode =
  /** This system has no C library of the kind we call, so it is not Linux. */
  | 'not-linux'
  /** There is no /dev/kvm. */
  | 'kvm-missing'
  /** /dev/kvm exists, and this user may not open it. */
  | 'kvm-forbidden'
  /** The kernel's KVM lacks something that we cannot do without. */
  | 'kvm-too-old'
  /** The machine asks for something that this accelerator does not do. */
  | 'unsupported'
  /** An operation at a time when it makes no sense. */
  | 'wrong-state'
  /** A system call failed. */
  | 'system-call';

/** The message says what to do; `errno` names the system's reason where there is one (`EACCES`). */
export class KvmError extends Error {
  override readonly name = 'KvmError';
  readonly code: KvmErrorCode;
  readonly errno: string | undefined;

  constructor(code: KvmErrorCode, message: string, errno?: string) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

/** What to do when /dev/kvm does not open. @param errno name of the error, as `EACCES`. */
export const openError = (errno: string): KvmError => {
  if (errno === 'ENOENT' || errno === 'ENXIO' || errno === 'ENODEV')
    return new KvmError(
      'kvm-missing',
      '/dev/kvm is missing: enable virtualisation (VT-x or AMD-V) in the firmware and load the module kvm_intel or ' +
        'kvm_amd, or in a virtual machine turn on nested virtualisation; or use --accel soft.',
      errno,
    );
  if (errno === 'EACCES' || errno === 'EPERM')
    return new KvmError(
      'kvm-forbidden',
      '/dev/kvm may not be opened by this user: join its group (sudo usermod -aG kvm $USER, then log in again), or ' +
        'give the container the device; or use --accel soft.',
      errno,
    );
  return new KvmError('system-call', `/dev/kvm cannot be opened (${errno}); use --accel soft.`, errno);
};
