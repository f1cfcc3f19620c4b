/*
 * Between softmmu.c and what x86/ and riscv/ build on it.
 */
#ifndef DOPPEL_ENGINE_SOFTMMU_SOFTMMU_IMPL_H
#define DOPPEL_ENGINE_SOFTMMU_SOFTMMU_IMPL_H

#include "engine/softmmu/softmmu.h"

/* s is zeroed but for what its owner sets: code_unmapped, opaque, storing, write_dropped. */
void softmmu_init_common(struct softmmu *s, struct vcpu *v, struct guest_mem *mem, void *cpu);

static inline struct tlb_entry *softmmu_slot(struct softmmu *s, unsigned ctx, gva_t va)
{
    return &s->tlb[ctx].e[TLB_INDEX(va)];
}

enum softmmu_kind { SOFTMMU_READ, SOFTMMU_WRITE, SOFTMMU_EXEC };

/* What a walk proved about the page at `va`. */
struct softmmu_page {
    gva_t va;
    gpa_t gpa;
    uint64_t asid; /* TLB_ASID of the address space */
    unsigned ctx;
    enum softmmu_kind kind; /* of the access that was allowed */
    bool write;             /* may be written without another walk */
    bool global, big;
};

/* Put the page into the TLB as far as it is plain RAM. Returns the entry. */
struct tlb_entry *softmmu_fill(struct softmmu *s, const struct softmmu_page *p,
                               const struct mem_slot *slot);

/* May entries for other addresses than its own 4 KiB have come from the page at `va`? */
bool softmmu_may_be_large(const struct softmmu *s, gva_t va);

/* The number of the space that `root` names, as a tag; `fresh`: a new one. */
uint64_t softmmu_enter_space(struct softmmu *s, uint64_t root, bool fresh);
/* Forget spaces whose root, masked, is `root`. */
void softmmu_forget_spaces(struct softmmu *s, uint64_t mask, uint64_t root);
/* Forget one page in all contexts of the current space. */
void softmmu_forget_page(struct softmmu *s, gva_t va);

static inline uint8_t *softmmu_host(const struct mem_slot *slot, gpa_t gpa)
{
    return slot->host + (gpa - slot->base);
}

/* `size`: up to 8 bytes; 1, 2, 4 and 8 as one access. */
uint64_t softmmu_read_host(const uint8_t *p, unsigned size);
void softmmu_write_host(uint8_t *p, unsigned size, uint64_t v);
/* Bytes of an access that lie on its first page. */
unsigned softmmu_first_part(gva_t va, unsigned size);

/* Device accesses by way of the CPU's environment, in pieces that buses carry. */
struct softmmu_bus {
    void *machine;
    uint64_t (*read)(void *machine, gpa_t gpa, unsigned size);
    void (*write)(void *machine, gpa_t gpa, unsigned size, uint64_t val);
};
uint64_t softmmu_mmio_load(struct softmmu *s, const struct softmmu_bus *bus, gpa_t gpa,
                           unsigned size);
void softmmu_mmio_store(struct softmmu *s, const struct softmmu_bus *bus, gpa_t gpa, unsigned size,
                        uint64_t v);

/* A store into a page without a write tag: code, clean, watched, or read-only memory. */
void softmmu_store_flagged(struct softmmu *s, gpa_t gpa, unsigned size, uint64_t v);

/* Only for host addresses that came out of a slot. */
gpa_t softmmu_gpa_of_host(const struct guest_mem *m, const uint8_t *p);

#endif
