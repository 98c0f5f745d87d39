/* The yardstick of kvm-port-exit.mjs: the same guest, KVM_RUN and a port handler, in a C loop.
 * On standard input: "rounds <exits>" lines; for each, prints nanoseconds an exit. The guest (long mode, ring 0 or 3
 * by argument) executes `out 0x10, al; jmp` for ever. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

static volatile uint32_t last;
static void port_write(uint16_t port, uint32_t size, uint32_t value) { last = port + size + value; }

static void segment(struct kvm_segment *s, int selector, int type, int dpl, int l) {
  memset(s, 0, sizeof *s);
  s->selector = selector; s->limit = 0xffffffff; s->type = type; s->present = 1;
  s->dpl = dpl; s->db = !l; s->s = 1; s->l = l; s->g = 1;
}

#define CHECK(x) do { if ((x) < 0) { perror(#x); return 1; } } while (0)

int main(int argc, char **argv) {
  int user = argc > 1 && atoi(argv[1]) == 3;
  int kvm, vm, vcpu;
  CHECK(kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC));
  CHECK(vm = ioctl(kvm, KVM_CREATE_VM, 0));
  CHECK(ioctl(vm, KVM_SET_TSS_ADDR, 0xfeffd000));
  size_t size = 1 << 20;
  uint8_t *ram = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct kvm_userspace_memory_region region = {0, 0, 0, size, (uintptr_t)ram};
  CHECK(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
  CHECK(vcpu = ioctl(vm, KVM_CREATE_VCPU, 0));
  struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 256 * sizeof *cpuid->entries);
  cpuid->nent = 256;
  CHECK(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid));
  CHECK(ioctl(vcpu, KVM_SET_CPUID2, cpuid));
  struct kvm_run *run = mmap(0, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

  *(uint64_t *)(ram + 0x1000) = 0x2007;
  *(uint64_t *)(ram + 0x2000) = 0x3007;
  *(uint64_t *)(ram + 0x3000) = 0x87;
  memcpy(ram + 0x8000, "\xe6\x10\xeb\xfc", 4); /* out 0x10, al; jmp -4 */

  struct kvm_sregs s;
  CHECK(ioctl(vcpu, KVM_GET_SREGS, &s));
  segment(&s.cs, user ? 0x2b : 0x18, 11, user ? 3 : 0, 1);
  segment(&s.ss, user ? 0x23 : 0x10, 3, user ? 3 : 0, 0);
  s.ds = s.es = s.fs = s.gs = s.ss;
  s.cr0 = 0x80000033; s.cr3 = 0x1000; s.cr4 = 0x620; s.efer = 0x500;
  CHECK(ioctl(vcpu, KVM_SET_SREGS, &s));
  struct kvm_regs r = {.rip = 0x8000, .rsp = 0x7000, .rflags = 0x3002};
  CHECK(ioctl(vcpu, KVM_SET_REGS, &r));

  long exits;
  while (scanf("%ld", &exits) == 1) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < exits; i++) {
      CHECK(ioctl(vcpu, KVM_RUN, 0));
      if (run->exit_reason != KVM_EXIT_IO) { fprintf(stderr, "exit %u\n", run->exit_reason); return 1; }
      if (run->io.direction == KVM_EXIT_IO_OUT)
        for (uint32_t n = 0; n < run->io.count; n++) {
          uint32_t value = 0;
          memcpy(&value, (uint8_t *)run + run->io.data_offset + n * run->io.size, run->io.size);
          port_write(run->io.port, run->io.size, value);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%f\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / exits);
    fflush(stdout);
  }
  return 0;
}
