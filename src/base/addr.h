/*
 * The three kinds of address. Conversions happen only in isa/<arch>/mmu.c (virtual to physical)
 * and in mem/ and the engines' TLB fill (physical to host).
 */
#ifndef DOPPEL_BASE_ADDR_H
#define DOPPEL_BASE_ADDR_H

#include <stdint.h>

typedef uint64_t gva_t;  /* guest virtual (x86: linear) address */
typedef uint64_t gpa_t;  /* guest physical address */
typedef uintptr_t hva_t; /* host virtual address */

#define GUEST_PAGE_SHIFT 12
#define GUEST_PAGE_SIZE  UINT64_C(4096)
#define GUEST_PAGE_MASK  (~(GUEST_PAGE_SIZE - 1))

#endif
