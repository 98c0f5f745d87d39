/*
 * Runs instructions on the processor itself. Cases come in on stdin, outcomes go out on stdout; both are the structs
 * below, and layout.ts describes the same bytes.
 *
 * All the work is done in a signal handler. A case ends in an exception (INT3 when nothing else), the kernel saves every
 * register on the alternate stack, and the handler reads them there, puts the next case's in their place and returns:
 * the kernel then loads them all, RIP and RFLAGS included, and the next case runs. So nothing is lost to a trampoline,
 * and any value may be in any register.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  CODE = 0x10000000, /* two pages, read and execute */
  CODE_SIZE = 2 * PAGE,
  DATA = 0x10010000, /* two pages to read and write, one to read */
  DATA_SIZE = 3 * PAGE,
  WINDOW = PAGE - 128, /* offset in DATA of the bytes that the case gives; the others are 0 */
  GS_BASE = DATA + 0x800,
  BASE_16 = DATA - 0x4000, /* of the data segment of 16-bit code; its code segment starts at CODE */
  LIMIT_16 = 0x77ff,
  BYTES = 64,
  CHANGES = 96,
  FPU = 512,      /* an FXSAVE image */
  FPU_USED = 416, /* of it; what follows is the kernel's */
  XSTATE_BV = 512, /* offset in the kernel's XSAVE image */
  SW_MAGIC = 464,  /* offset of what says that there is more than the FXSAVE image */
  TIMEOUT = 255, /* a vector that does not exist */
  STATUS_AND_DF = 0xcd5,
  USER32_CS = 0x23, /* Linux's selectors */
  USER_CS = 0x33,
  USER_DS = 0x2b,
  CS_16 = 0x07, /* of the local descriptor table */
  DS_16 = 0x0f,
};

struct input {
  uint64_t gpr[16], rip, flags, bits; /* of the code segment: 16, 32 or 64 */
  uint8_t fpu[FPU], code[BYTES], window[256];
};
struct output {
  uint64_t gpr[16], rip, flags, cr2;
  uint32_t vector, error, changed, padding;
  uint8_t fpu[FPU];
  struct {
    uint64_t offset, value;
  } change[CHANGES]; /* quadwords of DATA that are no longer what they were, the first CHANGES of `changed` */
};

/** Where the kernel keeps the registers, in the order of their numbers. */
static const int REGISTER[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static struct input *inputs;
static struct output *outputs;
static long count, at = -1, at_last_tick = -1;
static uint8_t *code, *data; /* the same memory as at CODE and DATA, to write */

static void finish(void) {
  const char *from = (const char *)outputs;
  size_t left = count * sizeof *outputs;
  while (left > 0) {
    ssize_t n = write(1, from, left);
    if (n <= 0) _exit(1);
    from += n;
    left -= n;
  }
  _exit(0);
}

static void store(greg_t *registers, const uint8_t *fpu, struct output *out, int timeout) {
  uint64_t before[DATA_SIZE / 8];
  const uint64_t *after = (const uint64_t *)data;
  for (int i = 0; i < 16; i++) out->gpr[i] = registers[REGISTER[i]];
  /* With a 16-bit stack the kernel's own addresses show in the upper half, which such code cannot see. */
  if (inputs[at].bits != 64) out->gpr[4] &= 0xffffffff;
  out->rip = registers[REG_RIP];
  out->flags = registers[REG_EFL];
  out->vector = timeout ? TIMEOUT : registers[REG_TRAPNO];
  out->error = registers[REG_ERR];
  out->cr2 = registers[REG_CR2];
  memcpy(out->fpu, fpu, FPU_USED);
  memset(before, 0, sizeof before);
  memcpy((char *)before + WINDOW, inputs[at].window, sizeof inputs[at].window);
  for (int i = 0; i < DATA_SIZE / 8; i++)
    if (after[i] != before[i]) {
      if (out->changed < CHANGES) {
        out->change[out->changed].offset = i * 8;
        out->change[out->changed].value = after[i];
      }
      out->changed++;
    }
}

static void load(greg_t *registers, uint8_t *fpu, const struct input *in) {
  /* 32-bit code needs them, and the kernel leaves them as the last case did. */
  int cs = in->bits == 64 ? USER_CS : in->bits == 32 ? USER32_CS : CS_16;
  uint64_t ds = in->bits == 16 ? DS_16 : USER_DS;
  __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(ds));
  memset(code, 0xcc, CODE_SIZE);
  memcpy(code + (in->rip - CODE), in->code, BYTES);
  memset(data, 0, DATA_SIZE);
  memcpy(data + WINDOW, in->window, sizeof in->window);
  memcpy(fpu, in->fpu, FPU_USED);
  uint32_t magic;
  memcpy(&magic, fpu + SW_MAGIC, sizeof magic);
  if (magic == FP_XSTATE_MAGIC1) fpu[XSTATE_BV] |= 3; /* x87 and SSE are not in their initial state */
  for (int i = 0; i < 16; i++) registers[REGISTER[i]] = in->gpr[i];
  registers[REG_RIP] = in->bits == 16 ? in->rip - CODE : in->rip;
  registers[REG_CSGSFS] = (registers[REG_CSGSFS] & 0x0000ffffffff0000) | ds << 48 | cs; /* SS on top */
  registers[REG_EFL] = (in->flags & STATUS_AND_DF) | 0x202;
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)info;
  /*
   * POPF may have set NT, AC and ID, which the kernel leaves to the handler. Compiled code does not keep to alignment,
   * and the next case must not find the others.
   */
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~0x244000ull);
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  uint8_t *fpu = (uint8_t *)((ucontext_t *)context)->uc_mcontext.fpregs;
  int tick = signal == SIGVTALRM;
  if (tick && (at < 0 || at != at_last_tick)) {
    at_last_tick = at;
    return;
  }
  if (at >= 0) store(registers, fpu, &outputs[at], tick);
  if (++at == count) finish();
  load(registers, fpu, &inputs[at]);
}

/** Maps memory twice: at `address` with `protection`, and anywhere to write. */
static uint8_t *map(uintptr_t address, size_t size, int protection) {
  int file = syscall(SYS_memfd_create, "case", 0);
  if (file < 0 || ftruncate(file, size) != 0) _exit(2);
  void *fixed = mmap((void *)address, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
  void *alias = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (fixed != (void *)address || alias == MAP_FAILED) _exit(2);
  close(file);
  return alias;
}

int main(void) {
  size_t size = 0, capacity = 1 << 20;
  char *bytes = malloc(capacity);
  for (ssize_t n; (n = read(0, bytes + size, capacity - size)) > 0;) {
    size += n;
    if (size == capacity) bytes = realloc(bytes, capacity *= 2);
  }
  inputs = (struct input *)bytes;
  count = size / sizeof *inputs;
  outputs = calloc(count + 1, sizeof *outputs);
  if (count == 0) return 0;

  code = map(CODE, CODE_SIZE, PROT_READ | PROT_EXEC);
  data = map(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
  if (mprotect((void *)(uintptr_t)(DATA + 2 * PAGE), PAGE, PROT_READ) != 0) return 2;
  /* Present from the start: a page fault must say what the page allows. */
  for (int i = 0; i < CODE_SIZE + DATA_SIZE; i += PAGE)
    *(volatile uint8_t *)(uintptr_t)(i < CODE_SIZE ? CODE + i : DATA + i - CODE_SIZE);
  syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)GS_BASE);

  struct user_desc segment = {.base_addr = CODE, .limit = 0xffff, .contents = MODIFY_LDT_CONTENTS_CODE};
  int has16 = syscall(SYS_modify_ldt, 1, &segment, sizeof segment) == 0;
  segment = (struct user_desc){.entry_number = 1, .base_addr = BASE_16, .limit = LIMIT_16};
  has16 = has16 && syscall(SYS_modify_ldt, 1, &segment, sizeof segment) == 0;
  if (inputs[0].bits == 16 && !has16) return 3;

  stack_t stack = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};
  sigaltstack(&stack, 0);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGVTALRM};
  for (unsigned i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) sigaction(SIGNALS[i], &action, 0);
  struct itimerval tick = {{0, 20000}, {0, 20000}}; /* a case that outlives a tick hangs */
  setitimer(ITIMER_VIRTUAL, &tick, 0);
  __builtin_trap(); /* the handler takes it from here */
}
