/*
 * Floating point as programs use it: the C library's functions under every rounding mode, flags,
 * formatting, and modes that threads, signal handlers and jumps out of them keep apart. All results
 * are printed in full; the judge's output must be the same.
 */
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static const struct {
    const char *name;
    int mode;
} modes[] = {{"nearest", FE_TONEAREST},
             {"zero", FE_TOWARDZERO},
             {"down", FE_DOWNWARD},
             {"up", FE_UPWARD},
             {"away", 4}}; /* RMM: the C library has no name for it, and aborts where it finds it */
enum { NAMED_MODES = 4, MODES = 5 };

static void set_mode(int mode)
{
    __asm__ volatile("fsrm %0" ::"r"(mode));
}

static uint64_t bits(double d)
{
    uint64_t b;
    memcpy(&b, &d, sizeof(b));
    return b;
}

static uint32_t bitsf(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof(b));
    return b;
}

static const double values[] = {0.0,      -0.0, 0.1,    -0.3,  0.5,     1.0,   -1.5,
                                2.5,      3.75, 1e-310, 1e300, -1e-300, 123.4, 4503599627370497.5,
                                INFINITY, NAN};
enum { VALUES = sizeof(values) / sizeof(values[0]) };

#define ONE(f, single)                                                                             \
    do {                                                                                           \
        feclearexcept(FE_ALL_EXCEPT);                                                              \
        double r_ = f(x);                                                                          \
        int flags_ = fetestexcept(FE_ALL_EXCEPT);                                                  \
        feclearexcept(FE_ALL_EXCEPT);                                                              \
        float s_ = single((float)x);                                                               \
        printf(" " #f " %016lx %x %08x %x", bits(r_), flags_, bitsf(s_),                           \
               fetestexcept(FE_ALL_EXCEPT));                                                       \
    } while (0)

static void functions(double x)
{
    ONE(sqrt, sqrtf);
    ONE(floor, floorf);
    ONE(ceil, ceilf);
    ONE(trunc, truncf);
    ONE(round, roundf);
    ONE(rint, rintf);
    ONE(nearbyint, nearbyintf);
    ONE(exp, expf);
    ONE(log, logf);
    ONE(sin, sinf);
    ONE(cos, cosf);
    ONE(tan, tanf);
    ONE(atan, atanf);
    ONE(cbrt, cbrtf);
    ONE(log1p, log1pf);
    ONE(tanh, tanhf);
    ONE(tgamma, tgammaf);
    printf("\n");
}

#define CAST(T, x) (volatile T)(x)

static void conversions(double x)
{
    feclearexcept(FE_ALL_EXCEPT);
    if (fabs(x) < 1e9)
        printf(" %d %ld %lu %ld %ld", CAST(int, x), CAST(long, x), CAST(unsigned long, fabs(x)),
               lrint(x), lround(x));
    printf(" %a %.17g %.3f %x\n", x, x, x, fetestexcept(FE_ALL_EXCEPT));
}

static void pairs(double x, double y)
{
    volatile double vx = x, vy = y;
    volatile float fx = (float)x, fy = (float)y;

    feclearexcept(FE_ALL_EXCEPT);
    printf(" %016lx %016lx %016lx %016lx", bits(vx + vy), bits(vx - vy), bits(vx * vy),
           bits(vx / vy));
    printf(" %08x %08x %08x", bitsf(fx + fy), bitsf(fx * fy), bitsf(fx / fy));
    printf(" %016lx %016lx %016lx", bits(fma(vx, vy, vx)), bits(fmin(vx, vy)), bits(fmax(vx, vy)));
    printf(" %016lx %016lx %d%d%d", bits(pow(vx, vy)), bits(fmod(vx, vy)), vx < vy, vx == vy,
           isless(vx, vy));
    printf(" %x\n", fetestexcept(FE_ALL_EXCEPT));
}

/* Long enough for translated loops, and chaotic: one wrong bit spreads. */
static void loops(int mode)
{
    double x = 0.1, y = 0.2, sum = 0;
    float f = 0.3f;

    set_mode(mode);
    for (int i = 1; i < 200000; i++) {
        x = 3.9 * x * (1 - x);
        y = y + (x - 0.5) / i;
        f = f * 0.75f + (float)y * 0.25f;
        sum += sqrt(x) * f - (double)(long)(100 * x);
    }
    set_mode(FE_TONEAREST);
    printf("loops %016lx %016lx %08x %016lx\n", bits(x), bits(y), bitsf(f), bits(sum));
}

static double third(double x)
{
    volatile double three = 3;
    return x / three;
}

static void *thread(void *arg)
{
    long n = (long)arg;
    double x = 1, sum = 0;

    set_mode(modes[n].mode);
    for (int i = 0; i < 300000; i++) {
        sum += third(x);
        x += 0.001;
    }
    double *result = malloc(2 * sizeof(*result));
    result[0] = sum;
    result[1] = fegetround();
    return result;
}

static void threads(void)
{
    pthread_t t[MODES];

    for (long n = 0; n < MODES; n++)
        pthread_create(&t[n], NULL, thread, (void *)n);
    for (int n = 0; n < MODES; n++) {
        void *result;
        pthread_join(t[n], &result);
        printf("thread %s %016lx %g\n", modes[n].name, bits(((double *)result)[0]),
               ((double *)result)[1]);
    }
}

static volatile int alarms;
static sigjmp_buf out;

static void on_alarm(int sig)
{
    (void)sig;
    set_mode(FE_UPWARD);
    feraiseexcept(FE_DIVBYZERO | FE_INVALID);
    volatile double wild = 1;
    for (int i = 0; i < 100; i++)
        wild = wild * 1.7 + third(i);
    alarms++;
}

/* A timer interrupts a loop; its handler's mode and flags, and its values, are the handler's own.
 */
static void interrupted(void)
{
    struct itimerval every = {{0, 500}, {0, 500}}, never = {0};
    double sum = 0, x = 1;
    int flags;

    signal(SIGALRM, on_alarm);
    set_mode(FE_DOWNWARD);
    feclearexcept(FE_ALL_EXCEPT);
    setitimer(ITIMER_REAL, &every, NULL);
    while (alarms < 20) {
        sum = 0, x = 1;
        for (int i = 0; i < 100000; i++) {
            sum += third(x);
            x += 0.001;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    flags = fetestexcept(FE_ALL_EXCEPT);
    printf("interrupted %016lx %x %d\n", bits(sum), flags, fegetround());
}

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

/* A fault in the midst of computing; the handler does not return. */
static void faulted(void)
{
    volatile double *volatile nowhere = NULL;
    volatile double x = 7;

    signal(SIGSEGV, on_fault);
    set_mode(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    if (!sigsetjmp(out, 1)) {
        x = third(x);
        x = *nowhere;
    }
    printf("faulted %016lx\n", bits(third(x)));
}

int main(void)
{
    for (unsigned m = 0; m < NAMED_MODES; m++) {
        for (unsigned i = 0; i < VALUES; i++) {
            set_mode(modes[m].mode);
            printf("%s %u", modes[m].name, i);
            functions(values[i]);
            conversions(values[i]);
            for (unsigned j = 0; j < VALUES; j++)
                pairs(values[i], values[j]);
        }
    }
    for (unsigned m = 0; m < MODES; m++)
        loops(modes[m].mode);
    threads();
    interrupted();
    faulted();
    return 0;
}
