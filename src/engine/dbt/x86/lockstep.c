/*
 * Two engines, one guest: every block runs under the interpreter first, on a second CPU whose
 * stores are logged and undone, then as translated code; registers and stored bytes must agree.
 *
 * Blocks end at their first branch, and what is not translated runs once, unwatched. Device
 * accesses are made by the first run and played back to the second. One vCPU only.
 *
 * What may differ: flags that nobody reads (not with `lockstep-strict`, where translated code keeps
 * them all), and the x87 unit's pointers to its last instruction.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/dbt/host.h"
#include "engine/dbt/x86/dbt.h"
#include "isa/isa.h"
#include "isa/x86/access.h"
#include "isa/x86/flags.h"
#include "isa/x86/native.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"
#include "vm/exclusive.h"

enum { MAX_STORES = 4096, MAX_IO = 1 << 14, PIECE = 8, ALL_FLAGS = 0xff };
enum { ENOUGH_STORES = MAX_STORES - 1024 };
enum { TIME_SHIFT = 4, REPORT_BYTES = 64 };

struct stored {
    gpa_t gpa;
    unsigned size;
    uint8_t before[PIECE], after[PIECE];
};

struct lockstep {
    struct dbt_vcpu *d;
    struct interp shadow; /* first run: the interpreter on ... */
    struct x86_cpu *cpu;  /* ... a CPU of its own */
    struct x86_env env;   /* the machine's real accesses */
    struct stored stores[MAX_STORES];
    unsigned nstores;
    uint64_t io[MAX_IO];
    unsigned nio, played;
    bool failed, strict;
    uint64_t blocks, unwatched;
    uint8_t code[64];    /* of the block, for the report */
    struct x86_cpu a, b; /* for the comparison */
};

static struct lockstep *of_shadow(struct softmmu *s)
{
    return container_of(s, struct lockstep, shadow.mmu);
}

static void storing(struct softmmu *s, gpa_t gpa, unsigned size)
{
    struct lockstep *ls = of_shadow(s);
    if (ls->nstores >= ENOUGH_STORES) {
        ls->failed = true;
        x86_want_attention(ls->cpu, X86_ATTN_STATE); /* stops repeated instructions */
    }
    if (ls->nstores == MAX_STORES)
        return;
    struct stored *st = &ls->stores[ls->nstores++];
    st->gpa = gpa;
    st->size = size;
    if (gpa_read(s->mem, gpa, st->before, size) < 0)
        ls->nstores--;
}

static uint64_t note(struct lockstep *ls, uint64_t v)
{
    if (ls->nio < MAX_IO)
        ls->io[ls->nio++] = v;
    return v;
}

/* Device accesses of the first run: real ones. */
static uint64_t first_mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct lockstep *ls = opaque;
    return note(ls, ls->env.mmio_read(ls->env.machine, gpa, size));
}

static void first_mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t val)
{
    struct lockstep *ls = opaque;
    ls->env.mmio_write(ls->env.machine, gpa, size, val);
    note(ls, val);
}

/* Of the second: played back, and writes compared. */
static uint64_t second_mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct lockstep *ls = opaque;
    (void)gpa;
    (void)size;
    if (ls->played == ls->nio)
        ls->failed = true;
    return ls->played < ls->nio ? ls->io[ls->played++] : 0;
}

static void second_mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t val)
{
    struct lockstep *ls = opaque;
    if (second_mmio_read(opaque, gpa, size) != val)
        ls->failed = true;
}

/* The shadow CPU starts where the real one stands. */
static void copy_state(struct lockstep *ls, const struct x86_cpu *c)
{
    const size_t first = offsetof(struct x86_cpu, gpr);
    struct x86_cpu *s = ls->cpu;
    bool same_space = s->cr3 == c->cr3 && s->cr4 == c->cr4 && s->cr0 == c->cr0;
    memcpy((char *)s + first, (const char *)c + first, offsetof(struct x86_cpu, tlbs) - first);
    s->rflags &= ~(uint64_t)FL_RF;
    atomic_store(&s->attention, 0);
    s->tsc_offset = c->tsc_offset;
    s->cpl = c->cpl;
    s->watching = c->watching;
    x86_update_mode(s);
    if (!same_space)
        s->slow->context_changed(s);
}

enum outcome { RAN, FAULTED, ALONE, LOST };

/* Did the repeated instruction stop in the middle? */
static bool in_repeat(const struct x86_cpu *c)
{
    return c->rflags & FL_RF; /* else it is never set here */
}

/* Up to `n` instructions of the shadow's block. */
static unsigned shadow_block(struct lockstep *ls, struct block *b, unsigned n)
{
    struct x86_cpu *c = ls->cpu;
    const struct x86_op *op = x86_block_ops(b);
    unsigned done = 0;
    c->code_base = c->rip - (b->gpa & (GUEST_PAGE_SIZE - 1));
    ls->shadow.mmu.code = &b->gpa;
    ls->shadow.mmu.code_lines = MEM_ALL_LINES;
    while (op && done < n) {
        c->op = op;
        const struct x86_op *next = op->fn(c, op);
        done += op->len != 0 && (next || !in_repeat(c));
        op = next;
    }
    c->op = NULL;
    if (op)
        c->rip = op_rip(c, op);
    return done;
}

static enum outcome shadow_blocks(struct lockstep *ls, unsigned n)
{
    while (n) {
        if (ls->failed)
            return LOST;
        struct block *b = x86_block_find(&ls->shadow.blocks);
        if (!b)
            return LOST;
        n -= shadow_block(ls, b, n);
    }
    return RAN;
}

static enum outcome run_shadow(struct lockstep *ls, unsigned n)
{
    int how = setjmp(ls->cpu->unwind);
    if (how)
        return how == 1 ? FAULTED : ALONE;
    return shadow_blocks(ls, n);
}

static void undo(struct lockstep *ls)
{
    struct guest_mem *mem = ls->shadow.mmu.mem;
    for (unsigned i = 0; i < ls->nstores; i++) {
        struct stored *s = &ls->stores[i];
        ls->failed |= gpa_read(mem, s->gpa, s->after, s->size) < 0;
    }
    for (unsigned i = ls->nstores; i-- > 0;) {
        struct stored *s = &ls->stores[i];
        ls->failed |= gpa_write(mem, s->gpa, s->before, s->size) < 0;
    }
}

/* From the middle of a repeated instruction another block goes on, and ends where this one does. */
static void enter_translated(struct lockstep *ls, struct x86_cpu *c, const struct code_block *b)
{
    struct dbt_vcpu *d = ls->d;
    do
        d->vm->stubs.enter(c, dbt_enter_block(d, c, b));
    while (in_repeat(c) && (b = dbt_find(d, c, 0)));
}

static enum outcome run_translated(struct lockstep *ls, struct x86_cpu *c,
                                   const struct code_block *b)
{
    jmp_buf outer;
    memcpy(outer, c->unwind, sizeof(outer));
    c->env.machine = ls;
    c->env.mmio_read = second_mmio_read;
    c->env.mmio_write = second_mmio_write;
    int how = setjmp(c->unwind);
    if (!how)
        enter_translated(ls, c, b);
    c->env = ls->env;
    memcpy(c->unwind, outer, sizeof(outer));
    return !how ? RAN : how == 1 ? FAULTED : ALONE;
}

static void normalise(struct x86_cpu *n, uint8_t live)
{
    uint16_t keep = (uint16_t)((live & 0xd5) << 8 | (live & X86_FL_OF ? ARITH_OF : 0));
    n->arith &= keep;
    n->rflags &= ~(uint64_t)FL_RF;
    memset(n->xsave + XS_FOP, 0, XS_MXCSR - XS_FOP);
    memset(n->xsave + XS_MXCSR_MASK, 0, 4);
    memset(n->xsave + XS_XSTATE_BV, 0, 64);
    for (unsigned i = 0; i < 8; i++)
        memset(n->xsave + XS_ST + 16 * i + 10, 0, 6);
    n->tsc = 0;
}

/* The first difference is told; most of the time a look at the bytes shows that there is none. */
static bool same_state(struct lockstep *ls, const struct x86_cpu *c, uint8_t live, char *what,
                       size_t len)
{
    const size_t first = offsetof(struct x86_cpu, gpr), n = offsetof(struct x86_cpu, tlbs) - first;
    memcpy((char *)&ls->a + first, (const char *)ls->cpu + first, n);
    memcpy((char *)&ls->b + first, (const char *)c + first, n);
    normalise(&ls->a, live);
    normalise(&ls->b, live);
    return memcmp((char *)&ls->a + first, (char *)&ls->b + first, n) == 0 ||
           state_equal(isa_x86.state, &ls->a, &ls->b, what, len);
}

static bool same_stores(const struct lockstep *ls, char *what, size_t len)
{
    for (unsigned i = 0; i < ls->nstores; i++) {
        const struct stored *s = &ls->stores[i];
        uint8_t now[PIECE];
        if (gpa_read(ls->shadow.mmu.mem, s->gpa, now, s->size) < 0 ||
            memcmp(now, s->after, s->size) != 0) {
            snprintf(what, len, "memory at 0x%llx: 0x%02x.. != 0x%02x..",
                     (unsigned long long)s->gpa, s->after[0], now[0]);
            return false;
        }
    }
    return true;
}

static bool same_fault(const struct x86_cpu *a, const struct x86_cpu *b)
{
    return a->exc_vector == b->exc_vector && a->exc_has_error == b->exc_has_error &&
           (!a->exc_has_error || a->exc_error == b->exc_error) &&
           (a->exc_vector != VEC_PF || a->exc_cr2 == b->exc_cr2);
}

/* How the two runs of a block went. */
struct verdict {
    enum outcome first, second;
    uint8_t live; /* flags behind it */
    char what[200];
};

/* A near branch to an address that is not canonical: translated code faults at the target. */
static bool faults_later(const struct x86_cpu *s, const struct x86_cpu *c, const struct verdict *v)
{
    return v->first == FAULTED && v->second == RAN && s->exc_vector == VEC_GP &&
           !x86_canonical(c->rip);
}

static bool compare(struct lockstep *ls, const struct x86_cpu *c, struct verdict *v)
{
    const struct x86_cpu *s = ls->cpu;
    if (faults_later(s, c, v))
        return true;
    /* At a fault in the middle, what is dead is not known. */
    uint8_t live = v->first == RAN ? v->live : ls->strict ? ALL_FLAGS : 0;
    if (v->first != v->second) {
        const struct x86_cpu *f = v->first == FAULTED ? s : c;
        snprintf(v->what, sizeof(v->what),
                 "the interpreter %s, translated code %s: vector %u, error 0x%x, address 0x%llx",
                 v->first == RAN ? "went on" : "faulted", v->second == RAN ? "went on" : "faulted",
                 f->exc_vector, f->exc_error, (unsigned long long)f->exc_cr2);
        return false;
    }
    if (v->first == FAULTED && !same_fault(s, c)) {
        snprintf(v->what, sizeof(v->what), "other faults: %u (0x%x, %llx) != %u (0x%x, %llx)",
                 s->exc_vector, s->exc_error, (unsigned long long)s->exc_cr2, c->exc_vector,
                 c->exc_error, (unsigned long long)c->exc_cr2);
        return false;
    }
    return same_state(ls, c, live, v->what, sizeof(v->what)) &&
           same_stores(ls, v->what, sizeof(v->what));
}

static void report(struct lockstep *ls, uint64_t rip, const struct code_block *b, const char *what)
{
    uint8_t code[REPORT_BYTES] = {0};
    char hex[3 * REPORT_BYTES + 1] = "";
    if (ls->d->v->vm->end == VM_FAILED)
        return;
    if (gpa_read(ls->shadow.mmu.mem, b->gpa, code, sizeof(code)) < 0)
        memset(code, 0, sizeof(code));
    for (unsigned i = 0; i < REPORT_BYTES; i++)
        snprintf(hex + 3 * i, 4, "%02x ", code[i]);
    log_error("lockstep: after %llu blocks the engines differ at 0x%llx (%u instructions, context "
              "0x%x): %s; code: %s",
              (unsigned long long)ls->blocks, (unsigned long long)rip, b->ninsns, b->ctx, what,
              hex);
    vm_fail(ls->d->v->vm, "lockstep: the engines differ");
}

/* One translated block, run twice. */
static void step_block(struct lockstep *ls, struct x86_cpu *c, const struct code_block *b)
{
    struct dbt_vcpu *d = ls->d;
    uint64_t rip = c->rip;
    unsigned n = b->ninsns;
    struct verdict v = {.live = b->live_out, .what = "device accesses"};
    dbt_save_x87(d);
    copy_state(ls, c);
    ls->nstores = ls->nio = ls->played = 0;
    ls->failed = false;
    v.first = run_shadow(ls, n);
    undo(ls);
    b = dbt_find(d, c, 0); /* the stores may have dropped it */
    if (!b || v.first == ALONE || v.first == LOST || ls->failed) {
        ls->unwatched++;
        d->it.lone = true;
        atomic_fetch_or(&c->attention, 1);
        return;
    }
    v.second = run_translated(ls, c, b);
    dbt_save_x87(d);
    ls->blocks++;
    if (v.second == ALONE)
        longjmp(c->unwind, 2);
    if (!compare(ls, c, &v) || ls->failed || ls->played != ls->nio) {
        report(ls, rip, b, v.what);
        atomic_fetch_or(&c->attention, 1);
    }
    if (v.second == FAULTED)
        longjmp(c->unwind, 1);
}

/* Guest code until something wants attention. */
static bool run(struct interp *it, struct x86_cpu *c)
{
    struct dbt_vcpu *d = container_of(it, struct dbt_vcpu, it);
    while (!atomic_load(&c->attention)) {
        const struct code_block *b = dbt_can_translate(c) ? dbt_find(d, c, 0) : NULL;
        if (b && b->ninsns) {
            step_block(d->lockstep, c, b);
            continue;
        }
        dbt_save_x87(d);
        /* Not translated: one instruction, as the engine's slow path would. */
        d->it.lone = true;
        atomic_fetch_or(&c->attention, 1);
    }
    return true;
}

/* The guest flushed or changed its translations: so does the shadow. */
static void unmapped(void *opaque, gva_t va, bool all)
{
    struct dbt_vcpu *d = opaque;
    block_cache_unmapped(&d->it.blocks.cache, va, all);
    dbt_unmapped(d, va, all);
    if (d->lockstep && d->lockstep->cpu->slow)
        d->lockstep->cpu->slow->flush_all(d->lockstep->cpu, false);
}

static int lockstep_probe(struct error *err)
{
    return host_check(err);
}

static int shadow_init(struct lockstep *ls, struct vcpu *v, struct error *err)
{
    struct x86_cpu *c = v->cpu;
    ls->cpu = isa_x86.cpu_create(v->id);
    if (!ls->cpu)
        return error_set(err, ENOMEM, "there is no memory for a second CPU");
    isa_x86.cpu_reset(ls->cpu);
    ls->cpu->model = c->model;
    ls->cpu->tsc_slow = c->tsc_slow;
    ls->cpu->vcpu = v;
    ls->env = c->env;
    ls->cpu->env = c->env;
    ls->cpu->env.machine = ls;
    ls->cpu->env.mmio_read = first_mmio_read;
    ls->cpu->env.mmio_write = first_mmio_write;
    ls->shadow.mmu.storing = storing;
    v->cpu = ls->cpu; /* the interpreter's parts take their CPU from the vCPU */
    int r = interp_init(&ls->shadow, v, NULL, NULL, err);
    v->cpu = c;
    v->engine_priv = ls->d;
    v->mmu = &ls->d->it.mmu;
    return r;
}

static int lockstep_vcpu_init(struct vcpu *v, struct error *err)
{
    if (v->vm->nvcpus != 1)
        return error_set(err, EINVAL, "lockstep compares engines on one CPU only");
    struct lockstep *ls = calloc(1, sizeof(*ls));
    if (!ls)
        return error_set(err, ENOMEM, "there is no memory for a second CPU");
    int r = dbt_vcpu_init(v, err);
    struct dbt_vcpu *d = v->engine_priv;
    if (r < 0)
        return r;
    ls->d = d;
    d->it.run = run;
    d->hot->go = d->hot->miss;
    d->it.mmu.code_unmapped = unmapped;
    d->xlat.lockstep = true;
    d->xlat.strict = ls->strict = v->vm->engine == &engine_lockstep_strict;
    r = shadow_init(ls, v, err);
    d->lockstep = ls;
    return r;
}

static void lockstep_vcpu_destroy(struct vcpu *v)
{
    struct dbt_vcpu *d = v->engine_priv;
    struct lockstep *ls = d ? d->lockstep : NULL;
    if (ls) {
        log_info("lockstep: %llu blocks agreed, %llu ran unwatched", (unsigned long long)ls->blocks,
                 (unsigned long long)ls->unwatched);
        x86_native_destroy(ls->cpu->native);
        block_cache_destroy(&ls->shadow.blocks.cache);
        isa_x86.cpu_destroy(ls->cpu);
        free(ls);
    }
    dbt_vcpu_destroy(v);
}

#define LOCKSTEP_OPS                                                                               \
    .caps = 0, .time_shift = TIME_SHIFT, .probe = lockstep_probe, .vm_init = dbt_vm_init,          \
    .vm_destroy = dbt_vm_destroy, .vcpu_init = lockstep_vcpu_init,                                 \
    .vcpu_destroy = lockstep_vcpu_destroy, .run = dbt_run, .kick = dbt_kick,                       \
    .state_get = interp_state_get, .state_put = interp_state_put,                                  \
    .code_changed = dbt_code_changed, .stats = dbt_report

const struct engine_ops engine_lockstep = {.name = "lockstep", LOCKSTEP_OPS};
const struct engine_ops engine_lockstep_strict = {.name = "lockstep-strict", LOCKSTEP_OPS};
