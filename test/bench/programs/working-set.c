/**
 * Memory accesses over a working set: `working-set scan|stride|chase MEBIBYTES ACCESSES` prints START when the memory
 * is laid out, and STOP with nanoseconds and a checksum after the accesses. `scan` reads every word in order, so a page is worth
 * hundreds of accesses; `stride` reads one word of each 64 bytes in order; `chase` follows a chain that visits them in
 * a random order, so nearly each access is in another page.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone, noipa))

struct line {
  struct line *next;
  uintptr_t value;
  char rest[64 - 2 * sizeof(void *)];
};

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static NOINLINE uintptr_t scan(const uintptr_t *words, size_t count) {
  uintptr_t sum = 0;
  for (const uintptr_t *word = words; word < words + count; word++) sum += *word;
  return sum;
}

static NOINLINE uintptr_t stride(const struct line *lines, size_t count) {
  uintptr_t sum = 0;
  for (const struct line *line = lines; line < lines + count; line++) sum += line->value;
  return sum;
}

static NOINLINE uintptr_t chase(const struct line *line, size_t steps) {
  while (steps-- > 0) line = line->next;
  return line->value;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  size_t bytes = strtoul(argv[2], 0, 10) << 20, count = bytes / sizeof(struct line);
  size_t accesses = strtoul(argv[3], 0, 10);
  struct line *lines = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (lines == MAP_FAILED) return 1;
  madvise(lines, bytes, MADV_NOHUGEPAGE); // the same pages on every contestant
  // A linear congruential generator of full period (a ≡ 1 mod 4, c odd, a power of 2): one cycle through all lines.
  for (size_t i = 0; i < count; i++) {
    lines[i].next = &lines[(i * 1664525 + 1013904223) & (count - 1)];
    lines[i].value = i;
  }
  puts("START");
  fflush(stdout);
  tcdrain(1); // a serial line has sent it before the accesses start
  uintptr_t sum = 0;
  long long start = now();
  if (!strcmp(argv[1], "chase")) sum = chase(lines, accesses);
  else if (!strcmp(argv[1], "stride"))
    for (size_t done = 0; done < accesses; done += count) sum += stride(lines, count);
  else
    for (size_t words = bytes / sizeof(uintptr_t), done = 0; done < accesses; done += words)
      sum += scan((const uintptr_t *)lines, words);
  long long end = now();
  printf("STOP %lld %lx\n", end - start, (unsigned long)sum);
  return 0;
}
