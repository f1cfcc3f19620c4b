/*
 * The translation cache that memory accesses of an executing guest CPU hit first: guest-virtual
 * page to host address. It belongs to one vCPU and is touched by its thread only.
 *
 * Invariants
 * 1. An entry's tag for a kind of access is valid only if that access needs no further work:
 *    permissions hold in this context, accessed (and for writes dirty) bits are set, the page is
 *    RAM, and for writes it is neither code nor clean under dirty logging nor read-only.
 * 2. Everything else has TLB_INVALID as its tag and goes to the slow path, which decides anew.
 * 3. Tags carry an address-space number in bits 52-63, so that a change of address space need not
 *    clear the table.
 */
#ifndef DOPPEL_ISA_TLB_H
#define DOPPEL_ISA_TLB_H

#include <stdint.h>

#include "base/addr.h"

enum { TLB_BITS = 10, TLB_ENTRIES = 1 << TLB_BITS };
/* Where an address stands in the table: buffers at a distance of 4 MiB must not collide. */
#define TLB_INDEX(va)                                                                              \
    (((va) >> GUEST_PAGE_SHIFT ^ (va) >> (GUEST_PAGE_SHIFT + TLB_BITS)) & (TLB_ENTRIES - 1))
#define TLB_INVALID UINT64_MAX
#define TLB_ASID(n) ((uint64_t)(n) << 52)
#define TLB_VPN(va) (((va) >> GUEST_PAGE_SHIFT) & ((UINT64_C(1) << 52) - 1))

struct tlb_entry {
    uint64_t read, write, exec; /* TLB_VPN | asid, or TLB_INVALID */
    uint64_t addend;            /* host address = guest virtual + addend */
};

struct tlb {
    struct tlb_entry e[TLB_ENTRIES];
};

#endif
