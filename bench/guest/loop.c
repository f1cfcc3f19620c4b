/*
 * The integer loop of `make bench`, run inside the guest (and on the host, for comparison).
 *
 * usage: loop [SECONDS] | loop -n ROUNDS
 *
 * Two loops in assembly, so that their instruction count does not depend on a compiler: `alu` stays
 * in registers, `mem` loads and stores over 64 KiB. Each prints one line:
 *
 *     DOPPEL-LOOP alu instructions=N ns=N tsc=N mips=N check=HEX
 *
 * `check` is the same for the same number of instructions on every machine that computes rightly.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

enum { FIRST_ROUNDS = 100000, ARRAY_WORDS = 8192 };

struct loop {
    const char *name;
    uint64_t (*run)(uint64_t rounds);
    unsigned instructions; /* a round */
};

struct result {
    uint64_t ns, tsc, check;
};

static uint64_t memory[ARRAY_WORDS];

/* 13 instructions a round: hashing with one data-dependent branch, nothing in memory. */
static uint64_t alu(uint64_t rounds)
{
    uint64_t a = 0x9e3779b97f4a7c15, b = 1, t;

    __asm__ volatile("1: mov %[a], %[t]\n"
                     "   shr $29, %[t]\n"
                     "   xor %[t], %[a]\n"
                     "   imul %[b], %[a]\n"
                     "   rol $13, %[a]\n"
                     "   lea 5(%[a], %[n], 2), %[b]\n"
                     "   or $1, %[b]\n"
                     "   test $8, %[a]\n"
                     "   jz 2f\n"
                     "   xor %[n], %[a]\n"
                     "   jmp 3f\n"
                     "2: add %[n], %[a]\n"
                     "   nop\n"
                     "3: dec %[n]\n"
                     "   jnz 1b\n"
                     : [a] "+r"(a), [b] "+r"(b), [n] "+r"(rounds), [t] "=&r"(t)
                     :
                     : "cc");
    return a;
}

/* 12 instructions a round: a load, a store and a read-modify-write at scattered places. */
static uint64_t mem(uint64_t rounds)
{
    uint64_t a = 0x9e3779b97f4a7c15, i = 0, t;

    __asm__ volatile("1: mov (%[m], %[i], 8), %[t]\n"
                     "   add %[t], %[a]\n"
                     "   rol $7, %[a]\n"
                     "   mov %[a], (%[m], %[i], 8)\n"
                     "   add %[a], %[i]\n"
                     "   and %[mask], %[i]\n"
                     "   add %[n], (%[m], %[i], 8)\n"
                     "   lea 17(%[i]), %[i]\n"
                     "   and %[mask], %[i]\n"
                     "   xor %[n], %[a]\n"
                     "   dec %[n]\n"
                     "   jnz 1b\n"
                     : [a] "+r"(a), [i] "+r"(i), [n] "+r"(rounds), [t] "=&r"(t)
                     : [m] "r"(memory), [mask] "i"(ARRAY_WORDS - 1)
                     : "cc", "memory");
    return a;
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct result measure(const struct loop *loop, uint64_t rounds)
{
    struct result result;
    uint64_t tsc = __rdtsc(), ns = now_ns();

    result.check = loop->run(rounds);
    result.ns = now_ns() - ns;
    result.tsc = __rdtsc() - tsc;
    return result;
}

static void print(const struct loop *loop, uint64_t rounds, const struct result *result)
{
    printf("DOPPEL-LOOP %s instructions=%llu ns=%llu tsc=%llu mips=%.1f check=%016llx\n",
           loop->name, (unsigned long long)(rounds * loop->instructions),
           (unsigned long long)result->ns, (unsigned long long)result->tsc,
           rounds * loop->instructions * 1e3 / result->ns, (unsigned long long)result->check);
    fflush(stdout);
}

/* A fixed amount of work between two lines, for a host that does not trust the guest's clock. */
static void run_rounds(const struct loop *loop, uint64_t rounds)
{
    struct result result;

    printf("DOPPEL-LOOP %s begin\n", loop->name);
    fflush(stdout);
    result = measure(loop, rounds);
    print(loop, rounds, &result);
}

/* Doubles the rounds until one run takes the time wanted, and reports that run. */
static void run_seconds(const struct loop *loop, double seconds)
{
    uint64_t rounds = FIRST_ROUNDS;
    struct result result = measure(loop, rounds);

    while (result.ns < seconds * 1e9 && rounds < UINT64_MAX / 64) {
        rounds *= 2;
        result = measure(loop, rounds);
    }
    print(loop, rounds, &result);
}

int main(int argc, char **argv)
{
    static const struct loop loops[] = {{"alu", alu, 13}, {"mem", mem, 12}};
    bool fixed = argc == 3 && strcmp(argv[1], "-n") == 0;

    for (unsigned i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        if (fixed)
            run_rounds(&loops[i], strtoull(argv[2], NULL, 0));
        else
            run_seconds(&loops[i], argc > 1 ? atof(argv[1]) : 1);
    }
    return 0;
}
