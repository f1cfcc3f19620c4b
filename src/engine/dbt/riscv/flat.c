/*
 * The translator for process VMs: its life, its harts, and what ends a run. A guest instruction's
 * journey here: src/process -> run() -> translated code -> flat_slow.c, which goes to the
 * interpreter's functions or to flat_find.c, where code not seen before is translated.
 */
#include "engine/dbt/riscv/flat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/dbt/host.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

enum { DEFAULT_CACHE_MIB = 256 };
/* In c->attention, beside enum riscv_attention: the cache is to be emptied. */
enum { ATTN_WORLD = 1 << 31 };

static size_t regions_bytes(const struct flat_space *s)
{
    return (s->size >> FLAT_REGION_SHIFT) / 8 + sizeof(uint64_t);
}

/*
 * Every slot leads to a stub. The table is a private view of a file that says so: to clear it is to
 * drop the view's own pages, and a child touches only those that it uses.
 */
static int write_empty_table(const struct flat_dbt *f, int fd)
{
    struct space_jump page[GUEST_PAGE_SIZE / sizeof(struct space_jump)] = {0};
    for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
        page[i].code = f->stubs.on[RVX_WHY_MISS];
    for (size_t at = 0; at < FLAT_JUMPS * sizeof(page[0]); at += sizeof(page)) {
        page[SPACE_SLOT_ATTEND].code = f->stubs.on[at ? RVX_WHY_MISS : RVX_WHY_ATTEND];
        if (pwrite(fd, page, sizeof(page), (off_t)at) != sizeof(page))
            return -EIO;
    }
    return 0;
}

/* With no hart inside: what was written to the view goes, and the file shows again. */
static void reset_jumps(struct flat_dbt *f)
{
    if (madvise(f->jumps, FLAT_JUMPS * sizeof(f->jumps[0]), MADV_DONTNEED) == 0)
        return;
    for (unsigned i = 0; i < FLAT_JUMPS; i++)
        f->jumps[i].code = f->stubs.on[i == SPACE_SLOT_ATTEND ? RVX_WHY_ATTEND : RVX_WHY_MISS];
}

/* The descriptor is not kept: numbers of open files are the program's, which may close any. */
static int make_jumps(struct flat_dbt *f, struct error *err)
{
    void *p = MAP_FAILED;
    int fd = memfd_create("doppel-jumps", MFD_CLOEXEC);
    if (fd >= 0 && write_empty_table(f, fd) == 0)
        p = mmap(NULL, FLAT_JUMPS * sizeof(f->jumps[0]), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
                 0);
    if (fd >= 0)
        close(fd);
    if (p == MAP_FAILED)
        return error_set(err, ENOMEM, "there is no memory for the translator");
    f->jumps = p;
    return 0;
}

static int make(struct flat_dbt *f, struct error *err)
{
    const struct flat_space *s = f->space;
    uint64_t size = s->code_cache ? s->code_cache : (uint64_t)DEFAULT_CACHE_MIB << 20;
    int r = code_init(&f->code, size, err);
    if (r == 0)
        code_begin_small(&f->code);
    if (r == 0)
        r = rvx_stubs_make(&f->stubs, &f->code.mem, flat_handle, false, err);
    if (r < 0)
        return r;
    code_seal(&f->code, f->stubs.on[RVX_WHY_MISS], RVX_PROLOGUE);
    f->regions = calloc(1, regions_bytes(s));
    if (!f->regions)
        return error_set(err, ENOMEM, "there is no memory for the translator");
    return make_jumps(f, err);
}

static void init_locks(struct flat_dbt *f)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&f->world, &attr);
    pthread_mutex_init(&f->lock, NULL);
}

static void flat_destroy(struct flat_space *space)
{
    struct flat_dbt *f = space->engine;
    if (!f)
        return;
    code_destroy(&f->code);
    if (f->jumps)
        munmap(f->jumps, FLAT_JUMPS * sizeof(f->jumps[0]));
    free(f->regions);
    free(f);
    space->engine = NULL;
}

static int flat_init(struct flat_space *space, struct error *err)
{
    struct flat_dbt *f = calloc(1, sizeof(*f));
    if (!f)
        return error_set(err, ENOMEM, "there is no memory for the translator");
    f->space = space;
    space->engine = f;
    init_locks(f);
    int r = make(f, err);
    if (r < 0)
        flat_destroy(space);
    return r;
}

static void drop_region(struct flat_dbt *f, uint64_t region, gva_t start, gva_t end)
{
    gva_t first = region << FLAT_REGION_SHIFT, behind = (region + 1) << FLAT_REGION_SHIFT;
    first = MAX(first, start & GUEST_PAGE_MASK);
    behind = MIN(behind, end);
    for (gva_t page = first; page < behind; page += GUEST_PAGE_SIZE)
        (void)code_page_written(&f->code, page, UINT64_MAX);
}

static void drop_range(struct flat_dbt *f, gva_t start, gva_t end)
{
    const uint64_t last = MIN(end, f->space->size);
    uint64_t r = start >> FLAT_REGION_SHIFT;
    while (r << FLAT_REGION_SHIFT < last) {
        uint64_t left = __atomic_load_n(&f->regions[r / 64], __ATOMIC_RELAXED) >> (r % 64);
        if (!left) {
            r = (r | 63) + 1;
            continue;
        }
        r += (unsigned)__builtin_ctzll(left);
        if (r << FLAT_REGION_SHIFT < last)
            drop_region(f, r, start, last);
        r++;
    }
}

static void flat_drop_code(struct riscv_cpu *c, gva_t start, gva_t end)
{
    drop_range(flat_hart_of(c)->f, start, end);
}

static void fence_i(struct riscv_cpu *c)
{
    struct flat_dbt *f = flat_hart_of(c)->f;
    drop_range(f, 0, f->space->size);
}

/* Behind the end of memory. */
static uint64_t no_load(struct riscv_cpu *c, gva_t va, unsigned size)
{
    (void)size;
    riscv_raise(c, RISCV_EXC_LOAD_ACCESS, va);
}

static void no_store(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t val)
{
    (void)size;
    (void)val;
    riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
}

static void *no_rmw(struct riscv_cpu *c, gva_t va, unsigned size)
{
    (void)size;
    riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
}

static void nothing_changed(struct riscv_cpu *c)
{
    (void)c;
}

static const struct riscv_mem_slow flat_memory = {
    .load = no_load,
    .store = no_store,
    .rmw_ptr = no_rmw,
    .context_changed = nothing_changed,
    .fence_i = fence_i,
};

static int flat_hart_init(struct flat_space *space, struct riscv_cpu *c, struct error *err)
{
    struct flat_dbt *f = space->engine;
    struct flat_hart *h = calloc(1, sizeof(*h));
    struct tlb *none = malloc(sizeof(*none));
    if (!h || !none) {
        free(h);
        free(none);
        return error_set(err, ENOMEM, "there is no memory for a hart");
    }
    memset(none, 0xff, sizeof(*none)); /* TLB_INVALID */
    h->c = c;
    h->f = f;
    h->xlat.has_fma = host_has_fma();
    c->vcpu = h;
    c->tlb = none;
    c->slow = &flat_memory;
    c->reserved_addr = RISCV_NO_RESERVATION;
    c->mstatus |= MSTATUS_FS;
    riscv_fp_changed(c);
    c->engine_hot[RVX_JUMP_MASK] = FLAT_JUMP_MASK;
    c->engine_hot[RVX_JUMP_TABLE] = (uintptr_t)f->jumps;
    rvx_stubs_tell(&f->stubs, c);
    pthread_mutex_lock(&f->lock);
    h->next = f->harts;
    f->harts = h;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static void flat_hart_destroy(struct riscv_cpu *c)
{
    struct flat_hart *h = flat_hart_of(c), **link = &h->f->harts;
    pthread_mutex_lock(&h->f->lock);
    while (*link != h)
        link = &(*link)->next;
    *link = h->next;
    pthread_mutex_unlock(&h->f->lock);
    free((void *)(uintptr_t)c->tlb);
    c->tlb = NULL;
    c->vcpu = NULL;
    free(h);
}

static void call_out(struct flat_dbt *f)
{
    pthread_mutex_lock(&f->lock);
    for (struct flat_hart *h = f->harts; h; h = h->next) {
        atomic_fetch_or(&h->c->attention, ATTN_WORLD);
        __atomic_store_n(&h->c->engine_hot[RVX_JUMP_MASK], 0, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&f->lock);
}

/* The cache is full: everybody starts anew. Called without `world`. */
static void empty_cache(struct flat_dbt *f, uint32_t epoch)
{
    call_out(f);
    pthread_rwlock_wrlock(&f->world);
    if (atomic_load(&f->code.epoch) == epoch) {
        pthread_mutex_lock(&f->code.lock);
        code_flush(&f->code);
        pthread_mutex_unlock(&f->code.lock);
        reset_jumps(f);
    }
    pthread_rwlock_unlock(&f->world);
}

/* Guest code until the run is over, or the world waits. */
static void run_inside(struct flat_hart *h)
{
    struct riscv_cpu *c = h->c;
    h->exit = FLAT_ATTENTION;
    h->full = false;
    c->op = NULL;
    if (setjmp(c->unwind)) {
        h->exit = FLAT_EXCEPTION;
        return;
    }
    h->running = true;
    if (h->computes)
        riscv_fp_enter(c);
    const void *code = flat_dispatch(h);
    if (code)
        h->f->stubs.enter(c, code);
}

static enum flat_exit flat_run(struct riscv_cpu *c)
{
    struct flat_hart *h = flat_hart_of(c);
    struct flat_dbt *f = h->f;
    __asm__ volatile("wrgsbase %0" : : "r"(c->flat_base));
    for (;;) {
        pthread_rwlock_rdlock(&f->world);
        const uint32_t epoch = atomic_load(&f->code.epoch);
        atomic_fetch_and(&c->attention, ~(uint32_t)ATTN_WORLD);
        __atomic_store_n(&c->engine_hot[RVX_JUMP_MASK], FLAT_JUMP_MASK, __ATOMIC_SEQ_CST);
        run_inside(h);
        h->running = false;
        pthread_rwlock_unlock(&f->world);
        if (h->full)
            empty_cache(f, epoch);
        else if (h->exit != FLAT_ATTENTION || (atomic_load(&c->attention) & ~(uint32_t)ATTN_WORLD))
            break;
    }
    riscv_fp_leave(c);
    return h->exit;
}

/* Of several instructions in one, which of them faults is seen when they run by themselves. */
static enum rvx_reason fault_reason(const struct code_site *site)
{
    return site->flags & CODE_SITE_ENDS ? RVX_WHY_SLOW : RVX_WHY_FAULT;
}

/* An access of translated code goes to its site; one of ours, for the guest, raises. */
static bool flat_host_fault(struct riscv_cpu *c, uint64_t cause, uint64_t tval, void *ucontext)
{
    struct flat_hart *h = flat_hart_of(c);
    ucontext_t *uc = ucontext;
    greg_t *r = uc->uc_mcontext.gregs;
    uint32_t site;
    if (!h->running)
        return false;
    c->exc_cause = cause;
    c->exc_tval = tval;
    if (code_site_at(&h->f->code, (uint64_t)r[REG_RIP], &site)) {
        r[REG_RCX] = site;
        r[REG_RIP] = (greg_t)h->f->stubs.on[fault_reason(&h->f->code.sites[site])];
        return true;
    }
    riscv_fp_recover(c, uc->uc_mcontext.fpregs->mxcsr);
    riscv_raise(c, c->op ? cause : RISCV_EXC_FETCH_PAGE, tval);
}

/* There is nobody to tell: the child can neither run guest code nor leave the parent's alone. */
static void die_after_fork(const struct error *err)
{
    log_error("%s", err->text);
    _exit(EXIT_FAILURE);
}

/* Locks may have been somebody's who is gone, as is every other hart; and the cache's pages are
 * the parent's. */
static void flat_after_fork(struct flat_space *space, struct riscv_cpu *c)
{
    struct flat_dbt *f = space->engine;
    struct error err;
    init_locks(f);
    if (code_unshare(&f->code, &err) < 0)
        die_after_fork(&err);
    reset_jumps(f);
    f->harts = flat_hart_of(c);
    f->harts->next = NULL;
}

/* Code is kept in a memory file; one that would be too large is refused by SIGXFSZ. */
static int flat_probe(struct error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)DEFAULT_CACHE_MIB << 20)
        return error_set(err, EFBIG,
                         "a limit on the size of files (ulimit -f) leaves translated "
                         "code no room");
    return host_check(err);
}

const struct flat_engine flat_dbt_riscv = {
    .name = "dbt",
    .probe = flat_probe,
    .init = flat_init,
    .destroy = flat_destroy,
    .hart_init = flat_hart_init,
    .hart_destroy = flat_hart_destroy,
    .run = flat_run,
    .drop_code = flat_drop_code,
    .host_fault = flat_host_fault,
    .after_fork = flat_after_fork,
};
