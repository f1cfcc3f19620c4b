/*
 * CPUID as policy: a named model is a subset that is true of the host, never more.
 */
#ifndef DOPPEL_ISA_X86_CPUID_H
#define DOPPEL_ISA_X86_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/*
 * IA32_ARCH_CAPABILITIES as the guest reads it: this CPU is not subject to the known speculation
 * leaks between guest kernel and guest user (they are not separated by speculation barriers here
 * but by the engine), and has enhanced IBRS. So guests build neither retpolines nor isolated page
 * tables, nor take indirect branches through thunks (ITS), each of which is a page protected anew.
 * RDCL_NO IBRS_ALL SKIP_L1DFL SSB_NO MDS_NO PSCHANGE_MC_NO TAA_NO SBDR FBSDP PSDP FB_CLEAR BHI
 * PBRSB GDS RFDS ITS
 */
#define CPUID_ARCH_CAPABILITIES UINT64_C(0x400000000d12e17b)

struct cpuid_leaf {
    uint32_t leaf, subleaf;
    bool has_subleaf;
    uint32_t eax, ebx, ecx, edx;
};

enum { CPUID_MAX_LEAVES = 64 };

/*
 * Whose processor a model claims to be. Guests choose by it which leaks to guard against, and a few
 * instructions differ; so it is saved with the machine and never changes.
 */
enum cpuid_vendor { CPUID_INTEL, CPUID_AMD }; /* in state files */

struct cpuid_identity {
    uint8_t vendor;
    uint32_t signature; /* leaf 1 EAX: family, model, stepping */
};

struct cpuid_model {
    struct cpuid_identity id;
    struct cpuid_leaf leaves[CPUID_MAX_LEAVES];
    unsigned n;
    uint64_t xcr0_mask; /* bits XSETBV accepts */
    unsigned phys_bits; /* physical address width */
    uint64_t tsc_hz;
};

struct x86_cpu;

/* Build the default model for a machine of `ncpus`: what the host has and doppel executes. */
void cpuid_model_build(struct cpuid_model *m, unsigned ncpus, uint64_t tsc_hz);
/* Whether this host's processor is of a vendor that can be claimed. */
bool cpuid_host_identity(struct cpuid_identity *id) must_check;
/* Make a model that was just built another's. */
void cpuid_identify(struct cpuid_model *m, struct cpuid_identity id);
/* Is an instruction-set feature (enum x86_feature) part of the model? */
bool cpuid_has_feature(const struct cpuid_model *m, unsigned feature);
/* The answer for one CPU: out = eax ebx ecx edx; dynamic bits (APIC id, OSXSAVE) filled in. */
void cpuid_query(const struct x86_cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
