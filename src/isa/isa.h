/*
 * What a guest CPU is, for those who do not care which: the VM, the engines' shared parts, the
 * debugger. One const table for each architecture.
 */
#ifndef DOPPEL_ISA_ISA_H
#define DOPPEL_ISA_ISA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "state/state.h"

struct isa_ops {
    const char *name;               /* "x86_64" */
    const struct state_desc *state; /* the CPU's architectural state */
    void *(*cpu_create)(unsigned id);
    void (*cpu_destroy)(void *cpu);
    /* Power-on state. The boot processor runs afterwards, the others wait for their start message.
     */
    void (*cpu_reset)(void *cpu);
    /* Inter-processor start-up, on the CPU's own thread: INIT (NULL: there is no such thing), and
     * the start message: the address it says, and what else it brings. */
    void (*cpu_init)(void *cpu);
    void (*cpu_start)(void *cpu, gpa_t addr, uint64_t arg);
    /* The host's free-running counter, and a CPU's own counter as state: freeze notes what the
     * guest would read at `host`, thaw makes it go on from there. One `host` for all CPUs of a VM.
     */
    uint64_t (*host_counter)(void);
    void (*freeze_time)(void *cpu, uint64_t host);
    void (*thaw_time)(void *cpu, uint64_t host);
    gva_t (*pc)(const void *cpu);
    /* One line for the failure report and the console menu. */
    void (*describe)(const void *cpu, char *buf, uint32_t len);
};

extern const struct isa_ops isa_riscv;
extern const struct isa_ops isa_x86;

#endif
