/*
 * The translating engine: 64-bit guest code as host code, all else by the embedded interpreter.
 *
 * First stop of an instruction's journey on this engine: vm/run.c -> dbt_run() -> translated code
 * -> its stubs (x86/stubs.c) -> x86/slow.c -> the interpreter's exec_* functions, or x86/find.c and
 * the translator (x86/xlat.c) for code not seen before.
 */
#include "engine/dbt/x86/dbt.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/dbt/host.h"
#include "isa/x86/system.h"
#include "vm/exclusive.h"

enum { DEFAULT_CACHE_MIB = 256 };

static int dbt_probe(struct error *err)
{
    int r = host_check(err);
    return r < 0 ? r : space_check_room((size_t)VM_MAX_VCPUS * (DBT_USER_SPACES + 1), err);
}

static int make_vm(struct vm *vm, struct dbt_vm *dv, struct error *err)
{
    uint64_t size = vm->code_cache ? vm->code_cache : (uint64_t)DEFAULT_CACHE_MIB << 20;
    int r = code_init(&dv->code, size, err);
    if (r == 0 && vm->perf_map)
        r = perf_map_open(&dv->code.map, err);
    if (r < 0)
        return r;
    r = stubs_make(&dv->stubs, &dv->code.mem, dbt_handle, err);
    if (r < 0)
        return r;
    dv->jump_stubs = (struct space_stubs){dv->stubs.jump_miss, dv->stubs.jump_attend};
    code_seal(&dv->code, dv->stubs.jump_miss, CODE_PROLOGUE);
    for (unsigned i = 0; r == 0 && i < vm->mem.nslots; i++) {
        const struct mem_slot *s = &vm->mem.slots[i];
        r = space_reserve_aliases(&dv->aliases[i], (uintptr_t)s->host, s->len, err);
    }
    return r;
}

int dbt_vm_init(struct vm *vm, struct error *err)
{
    struct dbt_vm *dv = calloc(1, sizeof(*dv));
    if (!dv)
        return error_set(err, ENOMEM, "there is no memory for the translator");
    vm->engine_priv = dv;
    int r = make_vm(vm, dv, err);
    if (r < 0)
        dbt_vm_destroy(vm);
    return r;
}

void dbt_vm_destroy(struct vm *vm)
{
    struct dbt_vm *dv = vm->engine_priv;
    if (!dv)
        return;
    for (unsigned i = 0; i < MEM_MAX_SLOTS; i++)
        space_release_aliases(&dv->aliases[i]);
    code_destroy(&dv->code);
    free(dv);
    vm->engine_priv = NULL;
}

static struct dbt_vcpu *of_mmu(struct softmmu *s)
{
    return container_of(s, struct dbt_vcpu, it.mmu);
}

static void code_unmapped(void *opaque, gva_t va, bool all)
{
    struct dbt_vcpu *d = opaque;
    block_cache_unmapped(&d->it.blocks.cache, va, all);
    dbt_unmapped(d, va, all);
}

static void write_dropped(struct softmmu *s, const uint8_t *host)
{
    dbt_drop_write(of_mmu(s), host);
}

/* The interpreter runs on struct x86_cpu alone. */
static void before_lone(struct interp *it)
{
    dbt_save_x87(container_of(it, struct dbt_vcpu, it));
}

/* Interpret until translated code can take over. False: no memory at c->rip. */
static bool interpret(struct dbt_vcpu *d, struct x86_cpu *c)
{
    bool ok;
    dbt_save_x87(d);
    do
        ok = interp_block(&d->it, c);
    while (ok && !dbt_can_translate(c) &&
           !atomic_load_explicit(&c->attention, memory_order_relaxed));
    return ok;
}

/* Pages that were written a lot are watched again when that is over. */
static void calm(struct vm *vm)
{
    uint64_t until = atomic_load_explicit(&vm->mem.mixed_until, memory_order_relaxed);
    if (unlikely(until != UINT64_MAX) && until <= mono_ns())
        guest_mem_code_calm(&vm->mem, mono_ns());
}

/* Guest code until something wants attention. */
static bool run(struct interp *it, struct x86_cpu *c)
{
    struct dbt_vcpu *d = container_of(it, struct dbt_vcpu, it);
    for (;;) {
        atomic_store(&d->hot->attention, 0);
        atomic_store(&d->hot->jump_mask, SPACE_JUMP_MASK);
        if (atomic_load(&c->attention))
            return true;
        calm(d->v->vm);
        const void *code = dbt_dispatch(d, c);
        if (code)
            d->vm->stubs.enter(c, code);
        else if (!atomic_load(&c->attention) && !interpret(d, c))
            return false;
    }
}

int dbt_vcpu_init(struct vcpu *v, struct error *err)
{
    struct dbt_vcpu *d = mmap(NULL, sizeof(*d), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (d == MAP_FAILED)
        return error_set(err, ENOMEM, "there is no memory for a virtual CPU");
    v->engine_priv = d;
    d->v = v;
    d->vm = v->vm->engine_priv;
    d->faults = (struct fault_catcher){.code = &d->vm->code, .redirect = dbt_redirect};
    int r = dbt_spaces_init(d, err);
    if (r < 0)
        return r;
    d->it.mmu.write_dropped = write_dropped;
    r = interp_init(&d->it, v, code_unmapped, d, err);
    d->it.run = run;
    d->it.before_lone = before_lone;
    return r;
}

void dbt_vcpu_destroy(struct vcpu *v)
{
    struct dbt_vcpu *d = v->engine_priv;
    if (!d)
        return;
    interp_destroy(&d->it, v);
    dbt_spaces_destroy(d);
    fault_catcher_destroy(&d->faults);
    munmap(d, sizeof(*d));
}

void dbt_run(struct vcpu *v, struct vm_exit *exit)
{
    struct dbt_vcpu *d = v->engine_priv;
    if (fault_catch(&d->faults, &exit->error) < 0) {
        exit->reason = EXIT_FAILED;
        return;
    }
    interp_run(v, exit);
    dbt_save_x87(d);
}

void dbt_kick(struct vcpu *v)
{
    struct dbt_vcpu *d = v->engine_priv;
    x86_want_attention(v->cpu, X86_ATTN_REQUEST);
    atomic_store(&d->hot->attention, 1);
    atomic_store(&d->hot->jump_mask, 0);
}

/*
 * Other vCPUs that are inside a dropped block leave it at their next poll. The one that stored
 * itself is in C, and does not go back to a dead block (run_site()).
 */
void dbt_code_changed(struct vm *vm, gpa_t page, uint64_t lines)
{
    struct dbt_vm *dv = vm->engine_priv;
    if (!code_page_written(&dv->code, page, lines))
        return;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct vcpu *v = &vm->vcpus[i];
        bool self = v->thread_started && pthread_equal(v->thread, pthread_self());
        if (v->engine_priv && !self)
            dbt_kick(v);
    }
}

const struct engine_ops engine_dbt = {
    .name = "dbt",
    .caps = 0,
    .probe = dbt_probe,
    .vm_init = dbt_vm_init,
    .vm_destroy = dbt_vm_destroy,
    .vcpu_init = dbt_vcpu_init,
    .vcpu_destroy = dbt_vcpu_destroy,
    .run = dbt_run,
    .kick = dbt_kick,
    .state_get = interp_state_get,
    .state_put = interp_state_put,
    .code_changed = dbt_code_changed,
    .stats = dbt_report,
};
