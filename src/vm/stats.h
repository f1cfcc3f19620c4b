/*
 * Counters: the closed lists of exit and slow-path reasons, and what --stats writes.
 */
#ifndef DOPPEL_VM_STATS_H
#define DOPPEL_VM_STATS_H

#include <stdint.h>

/* Plain per-vCPU counters, written by the vCPU's thread only. */
#define VCPU_COUNTERS(X)                                                                           \
    X(instructions)  /* retired, where the engine counts them */                                   \
    X(blocks)        /* decoded or translated */                                                   \
    X(block_lookups) /* dispatches that missed the jump cache */                                   \
    X(tlb_fills)                                                                                   \
    X(tlb_flushes)                                                                                 \
    X(slow_loads) /* memory accesses that left the fast path */                                    \
    X(slow_stores)                                                                                 \
    X(code_writes) /* stores into pages that hold decoded code */                                  \
    X(exceptions)                                                                                  \
    X(interrupts)                                                                                  \
    X(exit_mmio)                                                                                   \
    X(exit_pio)                                                                                    \
    X(exit_halt)                                                                                   \
    X(exit_hypercall)                                                                              \
    X(exit_debug)                                                                                  \
    X(exit_interrupted)                                                                            \
    X(exit_shutdown)                                                                               \
    X(native_thunks) /* SIMD and x87 instructions run on the host's unit */                        \
    /* What translated code (dbt) left to C, and why: */                                           \
    X(slow_unmapped)     /* no entry in the page table: first touch, device, write to code */      \
    X(slow_unaligned)    /* across pages, or misaligned where that matters */                      \
    X(slow_values)       /* operands the host must not see: divisions that might overflow */       \
    X(slow_untranslated) /* instructions that are never translated */                              \
    X(stray_accesses)    /* through a page table entry of another address */                       \
    X(block_links)       /* first jumps to a block of the same page */                             \
    X(jump_misses)       /* jumps to an address that the jump table did not know */                \
    X(attends)           /* polls that found attention wanted */                                   \
    X(exclusive)         /* times the world was stopped */

struct vcpu_stats {
#define VCPU_COUNTER_MEMBER(name) uint64_t name;
    VCPU_COUNTERS(VCPU_COUNTER_MEMBER)
#undef VCPU_COUNTER_MEMBER
};

#endif
