/*
 * Which space translated code runs in, and what softmmu's flushes mean for it. S-mode has a space
 * for all address spaces, and one more for while it may access user memory (SUM): what is not
 * mapped globally there goes when satp changes. Others are recycled by age.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/dbt/fill.h"
#include "engine/dbt/riscv/dbt.h"

static struct space *nth(struct rvdbt_vcpu *d, unsigned i)
{
    return i < RVDBT_SPACES ? &d->others[i] : &d->supervisor[i - RVDBT_SPACES];
}

enum { ALL_SPACES = RVDBT_SPACES + 2 };

int rvdbt_spaces_init(struct rvdbt_vcpu *d, struct error *err)
{
    int r = 0;
    d->hot_fd = memfd_create("doppel-hot", MFD_CLOEXEC);
    if (d->hot_fd < 0 || ftruncate(d->hot_fd, GUEST_PAGE_SIZE) < 0)
        return error_set(err, errno, "no memory for translated code's state: %s", strerror(errno));
    for (unsigned i = 0; r == 0 && i < ALL_SPACES; i++)
        r = space_init(nth(d, i), d->hot_fd, &d->vm->jump_stubs, err);
    return r;
}

void rvdbt_spaces_destroy(struct rvdbt_vcpu *d)
{
    for (unsigned i = 0; i < ALL_SPACES; i++)
        space_destroy(nth(d, i));
    if (d->hot_fd >= 0)
        close(d->hot_fd);
}

static bool is_supervisor(const struct riscv_cpu *c)
{
    return c->priv == RISCV_S && (c->mmu_ctx == RISCV_MMU_S || c->mmu_ctx == RISCV_MMU_S_SUM);
}

/* Address space, data accesses' context, and the blocks' context. */
static uint64_t key_of(const struct riscv_cpu *c)
{
    return c->asid | (uint64_t)rvx_ctx_of(c) << 8 | c->mmu_ctx;
}

static struct space *other_space(struct rvdbt_vcpu *d, uint64_t key)
{
    bool fresh;
    return space_take(d->others, RVDBT_SPACES, key, &fresh);
}

static struct space *supervisor_space(struct rvdbt_vcpu *d, const struct riscv_cpu *c, uint64_t key)
{
    struct space *s = &d->supervisor[c->mmu_ctx == RISCV_MMU_S_SUM];
    if (s->key == key)
        return s;
    if (s->key == SPACE_UNUSED || s->jumps_local)
        space_jumps_clear(s);
    space_clear_local(s);
    s->key = key;
    return s;
}

bool rvdbt_space_is_current(const struct rvdbt_vcpu *d, const struct riscv_cpu *c)
{
    return d->space && d->space->key == key_of(c);
}

void rvdbt_enter_space(struct rvdbt_vcpu *d, struct riscv_cpu *c)
{
    const uint64_t key = key_of(c);
    const uint32_t ctx = rvx_ctx_of(c);
    struct space *s = is_supervisor(c) ? supervisor_space(d, c, key) : other_space(d, key);
    if (s->ctx != ctx) {
        space_jumps_clear(s);
        s->ctx = ctx;
    }
    s->used = ++d->uses;
    if (d->space == s)
        return;
    d->space = s;
    c->engine_hot[RVX_JUMP_TABLE] = (uintptr_t)s->base + SPACE_JUMP_TABLE;
    __asm__ volatile("wrgsbase %0" : : "r"(s->base));
}

void rvdbt_fill(struct rvdbt_vcpu *d, struct riscv_cpu *c, gva_t va)
{
    const struct softmmu *mmu = &d->it.mmu;
    const unsigned slot = TLB_INDEX(va);
    const struct tlb_entry *t = &mmu->tlb[c->mmu_ctx].e[slot];
    const uint64_t tag = TLB_VPN(va) | c->asid;
    struct space_entry e = {t->read == tag ? t->addend : 0, t->write == tag ? t->addend : 0};
    if (!e.read && !e.write)
        return;
    bool local = !mmu->global[c->mmu_ctx][slot];
    space_fill(d->space, va, e, local);
    if (e.read && mmu->big[c->mmu_ctx][slot])
        space_fill_around(d->space, mmu->mem, va & GUEST_PAGE_MASK, e, local);
}

static void unmap_page(struct space *s, gva_t va)
{
    space_drop_page(s, va);
    if (space_has_jumps(s, va))
        space_jumps_drop_page(s, va);
    /* Code of the page before may reach into this one. */
    if (space_has_jumps(s, va - GUEST_PAGE_SIZE))
        space_jumps_drop_page(s, va - GUEST_PAGE_SIZE);
}

void rvdbt_unmapped(struct rvdbt_vcpu *d, gva_t va, bool all)
{
    for (unsigned i = 0; i < ALL_SPACES; i++) {
        struct space *s = nth(d, i);
        if (s->key == SPACE_UNUSED)
            continue;
        if (all) {
            space_clear(s);
            space_jumps_clear(s);
        } else {
            unmap_page(s, va);
        }
    }
}

void rvdbt_drop_write(struct rvdbt_vcpu *d, const uint8_t *host)
{
    for (unsigned i = 0; i < ALL_SPACES; i++)
        space_drop_write(nth(d, i), (uintptr_t)host);
}

void rvdbt_forget_jumps(struct rvdbt_vcpu *d)
{
    for (unsigned i = 0; i < ALL_SPACES; i++) {
        if (nth(d, i)->key != SPACE_UNUSED)
            space_jumps_clear(nth(d, i));
    }
}
