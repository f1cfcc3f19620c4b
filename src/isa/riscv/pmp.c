/*
 * Physical memory protection. [RISC-V priv 3.7]
 */
#include "isa/riscv/mmu.h"

enum {
    PMP_R = 1 << 0,
    PMP_W = 1 << 1,
    PMP_X = 1 << 2,
    PMP_A = 3 << 3,
    PMP_A_OFF = 0 << 3,
    PMP_A_TOR = 1 << 3,
    PMP_A_NA4 = 2 << 3,
    PMP_A_NAPOT = 3 << 3,
    PMP_L = 1 << 7,
    PMP_WRITABLE = PMP_L | PMP_A | PMP_X | PMP_W | PMP_R,
};

#define PMPADDR_MASK ((UINT64_C(1) << 54) - 1)

/* An entry's first and last byte; false: it matches nothing. */
static bool range_of(const struct riscv_cpu *c, unsigned i, gpa_t *first, gpa_t *last)
{
    uint64_t addr = c->pmpaddr[i], ones;
    switch (c->pmpcfg[i] & PMP_A) {
    case PMP_A_TOR:
        *first = i ? c->pmpaddr[i - 1] << 2 : 0;
        *last = (addr << 2) - 1;
        return addr << 2 > *first;
    case PMP_A_NA4:
        *first = addr << 2;
        *last = *first + 3;
        return true;
    case PMP_A_NAPOT:
        ones = addr ^ (addr + 1); /* the trailing ones, and the zero above */
        *first = (addr & ~ones) << 2;
        *last = *first + (ones << 2 | 3);
        return true;
    default:
        return false;
    }
}

static bool permits(uint8_t cfg, enum riscv_access kind, enum riscv_priv priv)
{
    static const uint8_t bit[] = {
        [RISCV_READ] = PMP_R, [RISCV_WRITE] = PMP_W, [RISCV_FETCH] = PMP_X};
    return (priv == RISCV_M && !(cfg & PMP_L)) || (cfg & bit[kind]);
}

bool riscv_pmp_allows(const struct riscv_cpu *c, gpa_t gpa, unsigned size, enum riscv_access kind,
                      enum riscv_priv priv, bool *whole)
{
    gpa_t page = gpa & GUEST_PAGE_MASK, page_last = page | (GUEST_PAGE_SIZE - 1);
    *whole = true;
    for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
        gpa_t first, last;
        if (!range_of(c, i, &first, &last) || first > page_last || last < page)
            continue;
        if (first > page || last < page_last)
            *whole = false;
        if (first > gpa + size - 1 || last < gpa)
            continue;
        /* An access that an entry matches in part fails, whatever the entry allows. */
        return first <= gpa && last >= gpa + size - 1 && permits(c->pmpcfg[i], kind, priv);
    }
    return priv == RISCV_M;
}

uint64_t riscv_pmpcfg_read(const struct riscv_cpu *c, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)c->pmpcfg[8 * n + i] << (8 * i);
    return v;
}

bool riscv_pmpcfg_write(struct riscv_cpu *c, unsigned n, uint64_t val)
{
    bool changed = false;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *cfg = &c->pmpcfg[8 * n + i], v = (val >> (8 * i)) & PMP_WRITABLE;
        if ((*cfg & PMP_L) || (v & (PMP_R | PMP_W)) == PMP_W)
            continue; /* locked, or a reserved combination */
        changed |= *cfg != v;
        *cfg = v;
    }
    return changed;
}

bool riscv_pmpaddr_write(struct riscv_cpu *c, unsigned n, uint64_t val)
{
    bool bounds_locked = n + 1 < RISCV_PMP_ENTRIES && (c->pmpcfg[n + 1] & PMP_L) &&
                         (c->pmpcfg[n + 1] & PMP_A) == PMP_A_TOR;
    val &= PMPADDR_MASK;
    if ((c->pmpcfg[n] & PMP_L) || bounds_locked || c->pmpaddr[n] == val)
        return false;
    c->pmpaddr[n] = val;
    return true;
}
