/*
 * Which space translated code runs in, and what softmmu's flushes mean for it. One space serves the
 * kernel in all address spaces: what is not mapped globally there goes when CR3 changes. User mode
 * has a space for each of the address spaces used last.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/dbt/dbt.h"
#include "isa/x86/access.h"

enum { NEIGHBOURS = 16 }; /* pages of a large one that are filled together */

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
    *d->hot = (struct dbt_hot){
        .cpu = (uintptr_t)d->v->cpu,
        .jump_mask = SPACE_JUMP_MASK,
        .slow = d->vm->stubs.slow,
        .miss = d->vm->stubs.miss,
        .link = d->vm->stubs.link,
        .attend = d->vm->stubs.attend,
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
    struct space *oldest = &d->user[0];
    for (unsigned i = 0; i < DBT_USER_SPACES; i++) {
        struct space *s = &d->user[i];
        if (s->key == key)
            return s;
        if (s->used < oldest->used)
            oldest = s;
    }
    space_clear(oldest);
    space_jumps_clear(oldest);
    oldest->key = key;
    return oldest;
}

static struct space *kernel_space(struct dbt_vcpu *d, uint64_t key)
{
    if (d->kernel.key != key) {
        space_clear_local(&d->kernel);
        if (d->kernel.jumps_local)
            space_jumps_clear(&d->kernel);
        d->kernel.key = key;
    }
    return &d->kernel;
}

bool dbt_space_is_current(const struct dbt_vcpu *d, const struct x86_cpu *c)
{
    const struct space *s = d->space;
    return s && s->key == key_of(c) && s->ctx == ctx_of(c) && (s == &d->kernel) == (c->cpl != 3);
}

void dbt_enter_space(struct dbt_vcpu *d, struct x86_cpu *c)
{
    uint64_t key = key_of(c);
    uint32_t ctx = ctx_of(c);
    struct space *s = c->cpl == 3 ? user_space(d, key) : kernel_space(d, key);
    if (s->ctx != ctx) {
        space_jumps_clear(s);
        s->ctx = ctx;
    }
    s->used = ++d->uses;
    if (d->space == s)
        return;
    d->space = s;
    __asm__ volatile("wrgsbase %0" : : "r"(s->base));
}

static const struct mem_slot *slot_at(const struct guest_mem *m, uintptr_t host)
{
    for (unsigned i = 0; i < m->nslots; i++) {
        if (host - (uintptr_t)m->slots[i].host < m->slots[i].len)
            return &m->slots[i];
    }
    return NULL;
}

/* RAM of this slot that stores may take the fast path to? */
static bool is_plain(const struct mem_slot *s, uintptr_t host)
{
    uint64_t off = host - (uintptr_t)s->host;
    return off < s->len && !s->readonly &&
           !atomic_load_explicit(&s->page_flags[off >> GUEST_PAGE_SHIFT], memory_order_acquire);
}

/*
 * The page at `va` is part of a large one: what holds for it holds for those beside it in the same
 * slot, but for what we know of each page.
 */
static void fill_neighbours(struct dbt_vcpu *d, gva_t va, struct space_entry e, bool local)
{
    const gva_t around = NEIGHBOURS * GUEST_PAGE_SIZE;
    const struct mem_slot *slot = slot_at(d->it.mmu.mem, va + e.read);
    gva_t first = va & ~(around - 1);
    for (gva_t p = first; slot && p < first + around; p += GUEST_PAGE_SIZE) {
        const struct space_entry *now = space_entry(d->space, p);
        if (!now->read && !now->write && is_plain(slot, p + e.read))
            space_fill(d->space, p, e, local);
    }
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
        fill_neighbours(d, va & GUEST_PAGE_MASK, e, local);
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
    for (unsigned i = 0; i <= DBT_USER_SPACES; i++) {
        struct space *s = nth(d, i);
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
    for (unsigned i = 0; i <= DBT_USER_SPACES; i++)
        space_jumps_clear(nth(d, i));
}

void dbt_drop_write(struct dbt_vcpu *d, const uint8_t *host)
{
    for (unsigned i = 0; i <= DBT_USER_SPACES; i++)
        space_drop_write(nth(d, i), (uintptr_t)host);
}
