/*
 * What a workload of the table of classes is: a function that does a fixed amount of work and
 * returns a checksum of what it computed. The same program runs natively and in every machine;
 * where a checksum differs from native, that machine computes wrongly.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

/* What an x86 processor must offer for a workload to run; tested by CPUID (and XCR0, for AVX). */
enum need {
    NEED_SSSE3 = 1 << 0,
    NEED_SSE41 = 1 << 1,
    NEED_AVX2 = 1 << 2, /* and FMA: no processor has one without the other */
    NEED_AES = 1 << 3,
    NEED_PCLMUL = 1 << 4,
    NEED_BMI2_ADX = 1 << 5,
};

struct workload {
    const char *name;
    /*
     * One round: `units` times the work. Starts from the same state whenever it is called, so that
     * every round of the same number of units returns the same.
     */
    uint64_t (*run)(unsigned units);
    unsigned units;        /* a round, about 5 ms natively */
    void (*prepare)(void); /* before the first round, its time does not count; may be NULL */
    unsigned needs;
    bool once; /* one round and no warming up: its subject is code that is run for the first time */
};

struct workload_class {
    const char *name;
    const struct workload *workloads; /* up to one without a name */
};

extern const struct workload integer_workloads[], branchy_workloads[], call_workloads[],
    float_workloads[], simd_workloads[], crypto_workloads[], memory_workloads[], system_workloads[],
    process_workloads[], once_workloads[], selfmod_workloads[];

/* The bits of enum need that this processor has: processor_ARCHITECTURE.c. */
unsigned processor_has(void);

/* The generated functions of the class `once`, and how many there are. */
typedef uint64_t (*once_fn)(uint64_t value, uint64_t *memory);
extern const once_fn once_functions[];
extern const uint64_t once_count;

/* Marsaglia's xorshift64*: [Vigna 2016, An experimental exploration of Marsaglia's generators]. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

/* Takes one more value into a checksum. */
static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x9e3779b97f4a7c15 + (sum >> 29);
}

static inline uint64_t mix_double(uint64_t sum, double value)
{
    union {
        double d;
        uint64_t u;
    } bits = {value};

    return mix(sum, bits.u);
}

/* Anonymous zeroed memory; the program ends where there is none. */
void *take_memory(uint64_t bytes);
/* Ends the program with a message: a system call failed that never should. */
void give_up(const char *what) __attribute__((noreturn));
/* Fills memory with the same bytes everywhere. */
void fill_random(void *memory, uint64_t bytes, uint64_t seed);
/* Text of words and punctuation, somewhat repetitive as text is. */
void fill_text(char *text, uint64_t bytes);

#endif
