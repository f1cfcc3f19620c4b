/*
 * The class `float`: scalar arithmetic in single and double precision, and x87. Only operations
 * whose result IEEE 754 prescribes to the last bit, so that checksums agree everywhere, on every
 * architecture; no library functions, which choose by processor.
 */
#include <string.h>

#include "workload.h"

enum { BODIES = 5, MATRIX = 48, NORM = 64, LU = 40 };

/* Compiled without errno for mathematics: the instruction. */
static double root_of(double x)
{
    return __builtin_sqrt(x);
}

struct body {
    double x, y, z, vx, vy, vz, mass;
};

/* The sun and four planets in round numbers: AU, days, masses with the gravitational constant. */
static const struct body planets[BODIES] = {
    {0, 0, 0, 0, 0, 0, 39.478},
    {4.84, -1.16, -0.10, 0.606, 2.81, -0.0252, 0.0377},
    {8.34, 4.12, -0.4, -1.01, 1.82, 0.0084, 0.0113},
    {12.89, -15.1, -0.22, 1.08, 0.868, -0.0108, 0.00172},
    {15.37, -25.9, 0.179, 0.979, 0.594, -0.0347, 0.00203},
};

static void attract(struct body *a, struct body *b, double dt)
{
    double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
    double square = dx * dx + dy * dy + dz * dz, pull = dt / (square * root_of(square));

    a->vx -= dx * b->mass * pull;
    a->vy -= dy * b->mass * pull;
    a->vz -= dz * b->mass * pull;
    b->vx += dx * a->mass * pull;
    b->vy += dy * a->mass * pull;
    b->vz += dz * a->mass * pull;
}

static uint64_t nbody(unsigned units)
{
    struct body bodies[BODIES];

    memcpy(bodies, planets, sizeof(bodies));
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BODIES; i++) {
            for (unsigned j = i + 1; j < BODIES; j++)
                attract(&bodies[i], &bodies[j], 0.001);
        }
        for (unsigned i = 0; i < BODIES; i++) {
            bodies[i].x += 0.001 * bodies[i].vx;
            bodies[i].y += 0.001 * bodies[i].vy;
            bodies[i].z += 0.001 * bodies[i].vz;
        }
    }
    return mix_double(mix_double(1, bodies[0].x), bodies[4].vz);
}

static uint64_t matmul(unsigned units)
{
    static double a[MATRIX][MATRIX], b[MATRIX][MATRIX], c[MATRIX][MATRIX];
    uint64_t sum = 0;

    for (unsigned i = 0; i < MATRIX * MATRIX; i++) {
        a[i / MATRIX][i % MATRIX] = (double)i / 7 + 1;
        b[i / MATRIX][i % MATRIX] = 1.0 / (double)(i + 1);
    }
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < MATRIX; i++) {
            for (unsigned j = 0; j < MATRIX; j++) {
                double total = 0;

                for (unsigned k = 0; k < MATRIX; k++)
                    total += a[i][k] * b[k][j];
                c[i][j] = total;
            }
        }
        a[u % MATRIX][0] = c[1][u % MATRIX] * 0.5;
        sum = mix_double(sum, c[MATRIX - 1][u % MATRIX]);
    }
    return sum;
}

static double element(unsigned i, unsigned j)
{
    return 1.0 / (double)((i + j) * (i + j + 1) / 2 + i + 1);
}

static void multiply(const double *v, double *result, bool transposed)
{
    for (unsigned i = 0; i < NORM; i++) {
        double total = 0;

        for (unsigned j = 0; j < NORM; j++)
            total += (transposed ? element(j, i) : element(i, j)) * v[j];
        result[i] = total;
    }
}

static uint64_t spectral(unsigned units)
{
    double u[NORM], v[NORM], t[NORM], uv = 0, vv = 0;

    for (unsigned i = 0; i < NORM; i++)
        u[i] = 1;
    for (unsigned n = 0; n < units; n++) {
        multiply(u, t, false);
        multiply(t, v, true);
        multiply(v, t, false);
        multiply(t, u, true);
    }
    for (unsigned i = 0; i < NORM; i++) {
        uv += u[i] * v[i];
        vv += v[i] * v[i];
    }
    return mix_double(0, root_of(uv / vv));
}

static unsigned escape(double cr, double ci)
{
    double zr = 0, zi = 0;
    unsigned n;

    for (n = 0; n < 64 && zr * zr + zi * zi < 4; n++) {
        double t = zr * zr - zi * zi + cr;

        zi = 2 * zr * zi + ci;
        zr = t;
    }
    return n;
}

static uint64_t mandelbrot(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned x = 0; x < 128; x++)
            sum = mix(sum, escape(x / 48.0 - 2.0, u % 64 / 32.0 - 1.0));
    }
    return sum;
}

/* Solves by elimination, in single precision. */
static uint64_t solve(unsigned units)
{
    static float m[LU][LU];
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < LU * LU; i++)
            m[i / LU][i % LU] = (float)((i * 37 + u) % 101) + (i / LU == i % LU ? 500.0f : 0.0f);
        for (unsigned k = 0; k < LU; k++) {
            for (unsigned i = k + 1; i < LU; i++) {
                float factor = m[i][k] / m[k][k];

                for (unsigned j = k; j < LU; j++)
                    m[i][j] -= factor * m[k][j];
            }
        }
        sum = mix_double(sum, (double)m[LU - 1][LU - 1]);
    }
    return sum;
}

/* There and back between integers and both precisions, with comparisons. */
static uint64_t convert(unsigned units)
{
    uint64_t sum = 0, state = 4;

    for (unsigned u = 0; u < units; u++) {
        int64_t n = (int64_t)random_next(&state) >> 20;
        double d = (double)n * 1.000001;
        float f = (float)d;

        sum += (uint64_t)(int64_t)(d / 3.0);
        sum ^= (uint64_t)(int32_t)(f / 1e6f);
        sum += d > (double)f ? 3 : 5;
    }
    return sum;
}

#ifdef __x86_64__
static long double root_of_long(long double x)
{
    __asm__("fsqrt" : "+t"(x));
    return x;
}

static uint64_t x87(unsigned units)
{
    long double x = 1.5L, y = 0, total = 0;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 1; i <= 16; i++) {
            y = ((0.3L * x + 0.7L) * x - 1.1L) / ((long double)i + x * x);
            x = root_of_long(x + y * y) + 0.25L;
            total += x - y;
        }
    }
    return mix_double(mix_double(0, (double)total), (double)y);
}
#endif

const struct workload float_workloads[] = {
    {.name = "nbody", .run = nbody, .units = 25000},
    {.name = "matmul", .run = matmul, .units = 35},
    {.name = "spectral", .run = spectral, .units = 80},
    {.name = "mandelbrot", .run = mandelbrot, .units = 256},
    {.name = "solve", .run = solve, .units = 180},
    {.name = "convert", .run = convert, .units = 600000},
#ifdef __x86_64__
    {.name = "x87", .run = x87, .units = 5000},
#endif
    {0},
};
