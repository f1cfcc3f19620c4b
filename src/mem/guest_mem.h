/*
 * Guest-physical memory: slots of one sealed memfd, and the only door to them.
 *
 * Invariants
 * 1. Slots never overlap, are page-aligned, and do not change once vCPUs run.
 * 2. Guest memory is hostile and changing: gpa_read() copies in, then the caller checks the copy.
 * 3. Every host-side write goes through gpa_write() or is followed by gpa_wrote(), which sets the
 *    dirty bits and tells the engine when the page holds translated or decoded code.
 * 4. Only gpa_* and the engines' TLB fill know the host mapping.
 */
#ifndef DOPPEL_MEM_GUEST_MEM_H
#define DOPPEL_MEM_GUEST_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"

enum { MEM_MAX_SLOTS = 16 };

/* Per guest page, one byte, changed atomically. */
enum mem_page_flag {
    MEM_PAGE_CODE = 1 << 0,  /* an engine holds code decoded from this page */
    MEM_PAGE_CLEAN = 1 << 1, /* dirty logging is on and this page was not written yet */
};

struct mem_slot {
    gpa_t base;
    uint64_t len;
    uint64_t offset; /* in the memfd */
    uint8_t *host;
    _Atomic uint8_t *page_flags; /* enum mem_page_flag, one byte a page */
    _Atomic uint32_t *code_gen;  /* bumped whenever decoded code of the page went stale */
    bool readonly;               /* ROM: guest writes are dropped */
};

struct guest_mem {
    int fd;
    uint64_t size; /* bytes of the memfd: all slots together */
    struct mem_slot slots[MEM_MAX_SLOTS];
    unsigned nslots;
    /* Called after a host-side or slow-path write hit a page with MEM_PAGE_CODE; any thread. */
    void (*code_written)(void *opaque, gpa_t page);
    void *code_opaque;
};

/* `size` bytes of guest memory in all, to be handed out by guest_mem_add_slot(). */
int guest_mem_init(struct guest_mem *m, uint64_t size, struct error *err) must_check;
void guest_mem_destroy(struct guest_mem *m);
/* The next `len` bytes of the memfd become guest-physical [base, base+len). */
int guest_mem_add_slot(struct guest_mem *m, gpa_t base, uint64_t len, bool readonly,
                       struct error *err) must_check;

/* The slot that holds `gpa`, or NULL. */
const struct mem_slot *guest_mem_slot(const struct guest_mem *m, gpa_t gpa);

/* Copy; ranges may cross slots that touch. 0, or -EFAULT when any byte is not RAM (then nothing
 * or a prefix was copied). gpa_write to a read-only slot fails with -EROFS. */
int gpa_read(const struct guest_mem *m, gpa_t gpa, void *buf, size_t len) must_check;
int gpa_write(struct guest_mem *m, gpa_t gpa, const void *buf, size_t len) must_check;
int gpa_fill(struct guest_mem *m, gpa_t gpa, uint8_t byte, size_t len) must_check;

/* Loaders only (may write ROM, before the machine runs). */
int gpa_write_rom(struct guest_mem *m, gpa_t gpa, const void *buf, size_t len) must_check;

/*
 * A host pointer to [gpa, gpa+len) for I/O that the kernel does on our behalf (readv, io_uring).
 * NULL when the range is not RAM, is not contiguous, or is wanted for writing and read-only. Stays
 * valid until the VM goes. After writing call gpa_wrote().
 */
void *gpa_pin(struct guest_mem *m, gpa_t gpa, size_t len, bool for_write);
void gpa_wrote(struct guest_mem *m, gpa_t gpa, size_t len);

/* Atomic access for rings and page tables: naturally aligned 2, 4 or 8 bytes. */
int gpa_load(const struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t *val) must_check;
int gpa_store(struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t val) must_check;
/* 64-bit (size 8) or 32-bit (size 4) compare-and-swap; 1 swapped, 0 not, -EFAULT. */
int gpa_cas(struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t old, uint64_t val) must_check;

#endif
