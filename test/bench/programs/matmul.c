/** A product of matrices in double precision, `rounds` times. Built twice: -DMATMUL=name says for which arithmetic. */
#include <stdint.h>

#define N 64

double MATMUL(uint32_t rounds) {
  static double a[N][N], b[N][N], c[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = i + j * 0.5;
      b[i][j] = i * 0.25 - j;
    }
  while (rounds-- > 0)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double sum = 0;
        for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
        c[i][j] = sum;
        a[i][j] += sum * 1e-9; // or one round would do
      }
  return c[N / 2][N / 3];
}
