/*
 * Which space translated code runs in, and what softmmu's flushes mean for it. One space serves the
 * kernel in all address spaces: what is not mapped globally there goes when CR3 changes. User mode
 * has a space for each of the address spaces used last.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/dbt/fill.h"
#include "engine/dbt/x86/dbt.h"
#include "isa/x86/access.h"

static int map_hot(struct dbt_vcpu *d, struct error *err)
{
    d->hot_fd = memfd_create("doppel-hot", MFD_CLOEXEC);
    if (d->hot_fd < 0 || ftruncate(d->hot_fd, GUEST_PAGE_SIZE) < 0)
        return error_set(err, errno, "no memory for translated code's state: %s", strerror(errno));
    d->hot = mmap(NULL, GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->hot_fd, 0);
    if (d->hot == MAP_FAILED) {
        d->hot = NULL;
        return error_set(err, errno, "no memory for translated code's state: %s", strerror(errno));
    }
    return 0;
}

int dbt_spaces_init(struct dbt_vcpu *d, struct error *err)
{
    const struct space_stubs *stubs = &d->vm->jump_stubs;
    d->hot_fd = -1;
    int r = map_hot(d, err);
    if (r == 0)
        r = space_init(&d->kernel, d->hot_fd, stubs, err);
    for (unsigned i = 0; r == 0 && i < DBT_USER_SPACES; i++)
        r = space_init(&d->user[i], d->hot_fd, stubs, err);
    if (r < 0)
        return r;
    space_jumps_clear(&d->kernel); /* users' when they are first entered: most never are */
    *d->hot = (struct dbt_hot){
        .cpu = (uintptr_t)d->v->cpu,
        .jump_mask = SPACE_JUMP_MASK,
        .low_bits = {0, 1, 3, 7, 15, 31},
        .slow = d->vm->stubs.slow,
        .miss = d->vm->stubs.miss,
        .link = d->vm->stubs.link,
        .attend = d->vm->stubs.attend,
        .syscall = d->vm->stubs.syscall,
        .sysret = d->vm->stubs.sysret,
        .iret = d->vm->stubs.iret,
        .go = d->vm->stubs.go,
        .level = DBT_LEVEL_SAME,
    };
    return 0;
}

void dbt_spaces_destroy(struct dbt_vcpu *d)
{
    space_destroy(&d->kernel);
    for (unsigned i = 0; i < DBT_USER_SPACES; i++)
        space_destroy(&d->user[i]);
    if (d->hot)
        munmap(d->hot, GUEST_PAGE_SIZE);
    if (d->hot_fd >= 0)
        close(d->hot_fd);
}

/* The SMAP override is part of what the kernel's view of user memory depends on. */
static uint64_t key_of(const struct x86_cpu *c)
{
    return c->asid | c->mmu_ctx;
}

static struct space *user_space(struct dbt_vcpu *d, uint64_t key)
{
    bool fresh;
    struct space *s = space_take(d->user, DBT_USER_SPACES, key, &fresh);
    d->paired.stale |= fresh;
    return s;
}

static struct space *kernel_space(struct dbt_vcpu *d, uint64_t key)
{
    if (d->kernel.key != key) {
        space_clear_local(&d->kernel);
        if (d->kernel.jumps_local)
            space_jumps_clear(&d->kernel);
        d->kernel.key = key;
        d->paired.stale = true;
    }
    return &d->kernel;
}

bool dbt_space_is_current(const struct dbt_vcpu *d, const struct x86_cpu *c)
{
    const struct space *s = d->space;
    return s && s->key == key_of(c) && s->ctx == ctx_of(c) && (s == &d->kernel) == (c->cpl != 3);
}

static enum x86_mmu_ctx kernel_mmu_ctx(const struct x86_cpu *c)
{
    return c->cr4 & CR4_SMAP ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC;
}

/* The side's space is `s`, if that is what it must be. */
static bool offer(struct dbt_side *side, const struct space *s, uint64_t key, uint32_t ctx)
{
    bool ok = s->key == key && s->ctx == ctx;
    side->base = ok ? (uintptr_t)s->base : 0;
    side->space = (uintptr_t)s;
    return ok;
}

static void offer_user(struct dbt_vcpu *d, struct dbt_side *side, uint64_t key, uint32_t ctx)
{
    side->base = 0;
    for (unsigned i = 0; i < DBT_USER_SPACES && !side->base; i++) {
        if (offer(side, &d->user[i], key, ctx))
            d->user[i].used = d->uses;
    }
}

static void forget_descriptors(struct dbt_vcpu *d)
{
    for (unsigned i = 0; i < DBT_LEVELS; i++)
        d->hot->side[i].cs = d->hot->side[i].ss = 0;
}

/* As x86_star_segments() has them. */
static void name_segments(struct dbt_hot *hot, uint64_t star)
{
    uint16_t kernel = (star >> 32) & 0xfffc, user = (uint16_t)(star >> 48);
    hot->side[DBT_LEVEL_KERNEL].sel[0] = kernel;
    hot->side[DBT_LEVEL_KERNEL].sel[1] = (uint16_t)(kernel + 8);
    hot->side[DBT_LEVEL_USER].sel[0] = (uint16_t)(user + 16) | 3;
    hot->side[DBT_LEVEL_USER].sel[1] = (uint16_t)(user + 8) | 3;
}

static bool same_descriptors(const struct dbt_pairing *a, const struct dbt_pairing *b)
{
    return a->star == b->star && a->gdt_base == b->gdt_base && a->gdt_limit == b->gdt_limit &&
           (a->asid == b->asid || !a->gdt_local);
}

/*
 * The spaces of kernel and user mode that belong together now, for the stubs that change between
 * them. Whatever this depends on is changed by C, which comes here before translated code goes on:
 * by way of dbt_enter_space(), since such instructions end their block.
 */
static void pair_spaces(struct dbt_vcpu *d, const struct x86_cpu *c, uint32_t ctx)
{
    struct dbt_pairing now = {
        .asid = c->asid,
        .cr4 = c->cr4,
        .star = c->star,
        .gdt_base = c->gdt_base,
        .ctx = ctx & ~(uint32_t)(CTX_USER | CTX_TSC),
        .gdt_limit = c->gdt_limit,
    };
    const struct dbt_pairing *was = &d->paired;
    struct dbt_hot *hot = d->hot;
    bool made = hot->side[DBT_LEVEL_KERNEL].base && hot->side[DBT_LEVEL_USER].base;
    bool descriptors = same_descriptors(was, &now);
    if (likely(made && descriptors && !was->stale && was->asid == now.asid && was->cr4 == now.cr4 &&
               was->ctx == now.ctx))
        return;
    now.gdt_local = was->gdt_local;
    d->paired = now;
    offer(&hot->side[DBT_LEVEL_KERNEL], &d->kernel, c->asid | kernel_mmu_ctx(c), now.ctx | CTX_TSC);
    offer_user(d, &hot->side[DBT_LEVEL_USER], c->asid | X86_MMU_USER,
               now.ctx | CTX_USER | (c->cr4 & CR4_TSD ? 0 : CTX_TSC));
    if (descriptors)
        return;
    forget_descriptors(d);
    name_segments(hot, c->star);
}

/* Where the kernel sees 8 bytes of its descriptor table; 0: not known. */
static uint64_t descriptor_at(struct dbt_vcpu *d, const struct x86_cpu *c, uint16_t sel)
{
    unsigned ctx = kernel_mmu_ctx(c), off = sel & ~7u;
    gva_t va = c->gdt_base + off;
    unsigned slot = TLB_INDEX(va);
    const struct tlb_entry *e = &c->tlbs[ctx]->e[slot];
    if ((sel & 4) || off + 7 > c->gdt_limit || e->read != (TLB_VPN(va) | c->asid) ||
        !in_page(va, 8))
        return 0;
    d->paired.gdt_local |= !d->it.mmu.global[ctx][slot];
    return va + e->addend;
}

void dbt_note_descriptors(struct dbt_vcpu *d, const struct x86_cpu *c)
{
    d->paired.gdt_local = false;
    for (unsigned i = DBT_LEVEL_KERNEL; i < DBT_LEVELS; i++) {
        struct dbt_side *side = &d->hot->side[i];
        side->cs = descriptor_at(d, c, side->sel[0]);
        side->ss = descriptor_at(d, c, side->sel[1]);
    }
}

void dbt_enter_space(struct dbt_vcpu *d, struct x86_cpu *c)
{
    uint64_t key = key_of(c);
    uint32_t ctx = ctx_of(c);
    struct space *s = c->cpl == 3 ? user_space(d, key) : kernel_space(d, key);
    if (s->ctx != ctx) {
        space_jumps_clear(s);
        s->ctx = ctx;
        d->paired.stale = true;
    }
    s->used = ++d->uses;
    pair_spaces(d, c, ctx);
    if (d->space == s)
        return;
    d->space = s;
    d->hot->space = (uintptr_t)s;
    __asm__ volatile("wrgsbase %0" : : "r"(s->base));
}

void dbt_fill(struct dbt_vcpu *d, struct x86_cpu *c, gva_t va)
{
    const struct tlb_entry *t = tlb_slot(c, va);
    uint64_t tag = TLB_VPN(va) | c->asid;
    struct space_entry e = {t->read == tag ? t->addend : 0, t->write == tag ? t->addend : 0};
    if (!e.read && !e.write)
        return;
    bool local = !softmmu_is_global(&d->it.mmu, va);
    space_fill(d->space, va, e, local);
    if (e.read && softmmu_is_big(&d->it.mmu, va))
        space_fill_around(d->space, d->it.mmu.mem, va & GUEST_PAGE_MASK, e, local);
}

static struct space *nth(struct dbt_vcpu *d, unsigned i)
{
    return i < DBT_USER_SPACES ? &d->user[i] : &d->kernel;
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

void dbt_unmapped(struct dbt_vcpu *d, gva_t va, bool all)
{
    forget_descriptors(d);
    for (unsigned i = 0; i <= DBT_USER_SPACES; i++) {
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

void dbt_forget_jumps(struct dbt_vcpu *d)
{
    for (unsigned i = 0; i <= DBT_USER_SPACES; i++) {
        if (nth(d, i)->key != SPACE_UNUSED)
            space_jumps_clear(nth(d, i));
    }
}

void dbt_drop_write(struct dbt_vcpu *d, const uint8_t *host)
{
    for (unsigned i = 0; i <= DBT_USER_SPACES; i++)
        space_drop_write(nth(d, i), (uintptr_t)host);
}
