/*
 * A machine for hostile programs: one CPU, 2 MiB of RAM, and devices that answer everything. It
 * ends the process when the engine breaks its own contract towards devices.
 */
#ifndef DOPPEL_TESTS_FUZZ_ENGINE_INTERP_MACHINE_H
#define DOPPEL_TESTS_FUZZ_ENGINE_INTERP_MACHINE_H

#include <time.h>

#include "isa/x86/cpu.h"
#include "vm/vm.h"

enum { MACHINE_RAM = 2 << 20 };

struct machine {
    struct vm vm;
    struct x86_cpu *cpu;
    struct cpuid_model model;
    uint8_t *ram;
    uint64_t noise;  /* what devices read as, and whether interrupts come */
    long slice_ns;   /* of the processor's time until the program is over */
    uint64_t writes; /* to ports: this many until the program is over; 0: not limited */
    void (*last_write)(struct machine *m); /* called at the last one; may be NULL */
    timer_t timer;
    bool quiet; /* no interrupts */
};

struct machine *machine_create(const struct engine_ops *engine);
void machine_destroy(struct machine *m);
/* Zero memory and a reset CPU. */
void machine_reset(struct machine *m, uint64_t noise);
/* From now on all memory is mixed (guest_mem.h): translated code watches itself. */
void machine_mix(struct machine *m);
/* Execute from the state in m->cpu until the machine stops or some milliseconds have passed. */
void machine_run(struct machine *m);

static inline uint64_t machine_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Fill memory and registers with a program made from `seed`; `code` overlays its first bytes. */
void program_make(struct machine *m, uint64_t seed, const uint8_t *code, size_t len);

#endif
