/**
 * The benchmark's programs that are C: `programs NAME SIZE` prints NAME=checksum. SIZE is in the program's own unit, as
 * its function says. suite/guest.ts has the command lines that build it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone, noipa))

/** Calls, returns, the stack. @param n times the 32nd number */
static NOINLINE int fib_of(int n) { return n < 2 ? n : fib_of(n - 1) + fib_of(n - 2); }
static uint32_t fib(uint32_t n) {
  uint32_t sum = 0;
  while (n-- > 0) sum += fib_of(32);
  return sum;
}

/** Byte stores at a stride, branches that can be predicted. @param n rounds over 1 MiB */
static unsigned char flags[1 << 20];
static uint32_t sieve(uint32_t n) {
  uint32_t count = 0;
  while (n-- > 0) {
    memset(flags, 1, sizeof flags);
    count = 0;
    for (uint32_t i = 2; i < sizeof flags; i++) {
      if (!flags[i]) continue;
      count++;
      for (uint32_t j = i + i; j < sizeof flags; j += i) flags[j] = 0;
    }
  }
  return count;
}

/** 64-bit multiplication, shifts, XOR, division: chains of ADC, SBB and MUL where built for 32 bits. @param n turns */
static uint32_t wide(uint32_t n) {
  uint64_t x = 0x123456789abcdefULL, y = 1;
  for (uint32_t i = 0; i < n; i++) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    y += x >> 33;
    y ^= y << 7;
    if ((i & 15) == 0) y = y / ((x >> 60) + 3);
  }
  return (uint32_t)(y ^ (y >> 32));
}

/** Products of 64 × 64 matrices in double precision. @param n products */
double matmul_x87(uint32_t n);
double matmul_sse(uint32_t n);

#define BULK (4u << 20)
static char *filled(int byte) {
  char *bytes = malloc(BULK);
  memset(bytes, byte, BULK);
  return bytes;
}

/** The C library's memcpy. @param n copies of 4 MiB */
static uint32_t copy(uint32_t n) {
  char *a = filled(3), *b = filled(4);
  for (uint32_t i = 0; i < n; i++) {
    memcpy(b, a, BULK);
    a[i] ^= b[i + 1];
  }
  return b[77];
}

/** REP MOVS. @param n copies of 4 MiB */
static uint32_t repmovs(uint32_t n) {
  char *a = filled(3), *b = filled(4);
  for (uint32_t i = 0; i < n; i++) {
    void *to = b;
    const void *from = a;
    size_t left = BULK / 4;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(left) : : "memory");
    a[i] ^= b[i + 1];
  }
  return b[77];
}

/** @param n system calls that do next to nothing */
static uint32_t syscalls(uint32_t n) {
  uint32_t sum = 0;
  while (n-- > 0) sum += syscall(SYS_getppid) != 0;
  return sum;
}

/** Page faults. @param n times 1024 pages */
static uint32_t faults(uint32_t n) {
  uint32_t sum = 0;
  while (n-- > 0) {
    char *pages = mmap(0, BULK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return 0;
    madvise(pages, BULK, MADV_NOHUGEPAGE);
    for (uint32_t at = 0; at < BULK; at += 4096) pages[at] = 1;
    munmap(pages, BULK);
    sum++;
  }
  return sum;
}

/** @param n processes, one after the other */
static uint32_t forks(uint32_t n) {
  uint32_t sum = 0;
  while (n-- > 0) {
    pid_t child = fork();
    if (child == 0) _exit(3);
    int status;
    waitpid(child, &status, 0);
    sum += WEXITSTATUS(status);
  }
  return sum;
}

/** Context switches. @param n bytes there and back between two processes */
static uint32_t pipes(uint32_t n) {
  int there[2], back[2];
  char byte = 'x';
  if (pipe(there) || pipe(back)) return 0;
  pid_t child = fork();
  if (child == 0) {
    for (uint32_t i = 0; i < n; i++)
      if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  for (uint32_t i = 0; i < n; i++)
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) return 1;
  int status;
  waitpid(child, &status, 0);
  return n;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    uint32_t (*run)(uint32_t);
  } integer[] = {{"fib", fib},         {"sieve", sieve},   {"wide", wide},   {"copy", copy},  {"repmovs", repmovs},
                 {"syscalls", syscalls}, {"faults", faults}, {"forks", forks}, {"pipes", pipes}};
  const char *name = argc > 1 ? argv[1] : "";
  uint32_t size = argc > 2 ? strtoul(argv[2], 0, 10) : 1;
  for (unsigned i = 0; i < sizeof integer / sizeof *integer; i++)
    if (!strcmp(name, integer[i].name)) return printf("%s=%08x\n", name, integer[i].run(size)) < 0;
  if (!strcmp(name, "matmul-x87")) return printf("%s=%.6g\n", name, matmul_x87(size)) < 0;
  if (!strcmp(name, "matmul-sse")) return printf("%s=%.6g\n", name, matmul_sse(size)) < 0;
  fprintf(stderr, "no program is called '%s'\n", name);
  return 2;
}
