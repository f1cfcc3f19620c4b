/*
 * CPUID as policy: a named model is a subset that is true of the host, never more.
 */
#ifndef DOPPEL_ISA_X86_CPUID_H
#define DOPPEL_ISA_X86_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_leaf {
    uint32_t leaf, subleaf;
    bool has_subleaf;
    uint32_t eax, ebx, ecx, edx;
};

enum { CPUID_MAX_LEAVES = 64 };

struct cpuid_model {
    struct cpuid_leaf leaves[CPUID_MAX_LEAVES];
    unsigned n;
    uint64_t xcr0_mask; /* bits XSETBV accepts */
    uint64_t phys_bits;
};

struct x86_cpu;

/* Build the default model for a machine of `ncpus`: what the host has and doppel executes. */
void cpuid_model_build(struct cpuid_model *m, unsigned ncpus, uint64_t tsc_hz);
/* The answer for one CPU: out = eax ebx ecx edx; dynamic bits (APIC id, OSXSAVE) filled in. */
void cpuid_query(const struct x86_cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* The host's (= the guest's) TSC frequency, measured or from CPUID. */
uint64_t host_tsc_hz(void);

#endif
