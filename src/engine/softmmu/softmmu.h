/*
 * Memory without hardware help: TLB fills, flushes and the slow paths of a CPU that an engine of
 * ours executes. Second stop of a page fault's journey: fast path miss -> here -> isa/<arch>/mmu.c
 * -> guest fault, or mem/ slot, or bus/.
 *
 * Here is what all ISAs share; x86/ and riscv/ have walks, faults and the rules of their accesses.
 *
 * Invariants
 * 1. A softmmu belongs to one vCPU and is used by its thread only, except softmmu_drop_write(),
 *    which runs while the world is stopped.
 * 2. Write tags exist only for pages without MEM_PAGE_CODE and MEM_PAGE_CLEAN; whoever sets such a
 *    flag drops the tags in every vCPU first.
 * 3. Address-space numbers are never reused before all tables were cleared.
 */
#ifndef DOPPEL_ENGINE_SOFTMMU_SOFTMMU_H
#define DOPPEL_ENGINE_SOFTMMU_SOFTMMU_H

#include "isa/tlb.h"
#include "mem/guest_mem.h"
#include "vm/vcpu.h"

enum { SOFTMMU_CTXS = 4, SOFTMMU_SPACES = 16, SOFTMMU_REGIONS = 1 << 15 };

typedef void softmmu_unmapped_fn(void *opaque, gva_t va, bool all);

struct softmmu {
    void *cpu; /* the ISA's */
    struct vcpu *vcpu;
    struct guest_mem *mem;
    struct tlb tlb[SOFTMMU_CTXS];
    bool global[SOFTMMU_CTXS][TLB_ENTRIES]; /* the entry's page is global, */
    bool big[SOFTMMU_CTXS][TLB_ENTRIES];    /* and of 2 MiB or more */
    /* Address spaces in use: the register that names one (CR3, satp), and the number that its TLB
     * entries carry. */
    uint64_t space_root[SOFTMMU_SPACES];
    uint32_t space_asid[SOFTMMU_SPACES];
    unsigned next_space;
    uint32_t last_asid;
    /* Hashed set of the regions of 2 MiB that large pages were filled from. */
    uint64_t large[SOFTMMU_REGIONS / 64];
    /* Where stores take effect on code at once (x86): addresses in the executing block's one or two
     * pages (UINT64_MAX: none): a store there must stop the block first. Points into the block. */
    const gpa_t *code;
    uint64_t code_lines; /* of the first page that the block depends on (guest_mem.h) */
    bool alone; /* the block is one instruction: it may store into its own page, hit breakpoints */
    /* Told when cached instruction addresses became invalid. */
    softmmu_unmapped_fn *code_unmapped;
    void *opaque;
    /* For who compares engines: no write ever takes the fast path, and each is told beforehand. */
    void (*storing)(struct softmmu *s, gpa_t gpa, unsigned size);
    /* Told when no one may write to the host page any more (softmmu_drop_write); may be NULL. */
    void (*write_dropped)(struct softmmu *s, const uint8_t *host);
};

void softmmu_flush_everything(struct softmmu *s);

/*
 * Code of these lines (64 bytes each) of the page at `gpa` is about to be decoded: nobody may write
 * there unnoticed from now on. Returns the page's code generation to keep with what is decoded;
 * *genp is where it stands. May stop the world.
 */
uint32_t softmmu_watch_code(struct softmmu *s, gpa_t gpa, uint64_t lines, _Atomic uint32_t **genp);

/* Drop write permission for the host page at `host` (world stopped, or own thread). */
void softmmu_drop_write(struct softmmu *s, const uint8_t *host);

#endif
