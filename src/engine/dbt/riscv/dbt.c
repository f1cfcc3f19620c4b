/*
 * The translating engine for RISC-V machines.
 *
 * First stop of an instruction's journey on this engine: vm/run.c -> riscv_interp_run(), which
 * looks at what wants attention -> run() -> translated code -> its stubs -> riscv/slow.c -> the
 * interpreter's functions, or riscv/find.c and the translator (riscv/xlat.c) for new code.
 */
#include "engine/dbt/riscv/dbt.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/dbt/host.h"
#include "engine/engine.h"

enum { DEFAULT_CACHE_MIB = 256 };

static int dbt_probe(struct error *err)
{
    int r = host_check_bits(err);
    return r < 0 ? r : space_check_room((size_t)VM_MAX_VCPUS * (RVDBT_SPACES + 2), err);
}

static int make_vm(struct vm *vm, struct rvdbt_vm *dv, struct error *err)
{
    uint64_t size = vm->code_cache ? vm->code_cache : (uint64_t)DEFAULT_CACHE_MIB << 20;
    int r = code_init(&dv->code, size, err);
    if (r == 0 && vm->perf_map)
        r = perf_map_open(&dv->code.map, err);
    if (r == 0)
        r = rvx_stubs_make(&dv->stubs, &dv->code.mem, rvdbt_handle, true, err);
    if (r < 0)
        return r;
    dv->jump_stubs = (struct space_stubs){dv->stubs.on[RVX_WHY_MISS], dv->stubs.on[RVX_WHY_ATTEND]};
    code_seal(&dv->code, dv->jump_stubs.miss, RVX_PROLOGUE);
    for (unsigned i = 0; r == 0 && i < vm->mem.nslots; i++) {
        const struct mem_slot *s = &vm->mem.slots[i];
        r = space_reserve_aliases(&dv->aliases[i], (uintptr_t)s->host, s->len, err);
    }
    return r;
}

static void dbt_vm_destroy(struct vm *vm)
{
    struct rvdbt_vm *dv = vm->engine_priv;
    if (!dv)
        return;
    for (unsigned i = 0; i < MEM_MAX_SLOTS; i++)
        space_release_aliases(&dv->aliases[i]);
    code_destroy(&dv->code);
    free(dv);
    vm->engine_priv = NULL;
}

static int dbt_vm_init(struct vm *vm, struct error *err)
{
    struct rvdbt_vm *dv = calloc(1, sizeof(*dv));
    if (!dv)
        return error_set(err, ENOMEM, "there is no memory for the translator");
    vm->engine_priv = dv;
    int r = make_vm(vm, dv, err);
    if (r < 0)
        dbt_vm_destroy(vm);
    return r;
}

static void code_unmapped(void *opaque, gva_t va, bool all)
{
    struct rvdbt_vcpu *d = opaque;
    block_cache_unmapped(&d->it.blocks.cache, va, all);
    rvdbt_unmapped(d, va, all);
}

static void write_dropped(struct softmmu *s, const uint8_t *host)
{
    rvdbt_drop_write(container_of(s, struct rvdbt_vcpu, it.mmu), host);
}

static void set_jump_mask(struct riscv_cpu *c, uint64_t mask)
{
    __atomic_store_n(&c->engine_hot[RVX_JUMP_MASK], mask, __ATOMIC_SEQ_CST);
}

/* Pages that were written a lot are watched again when that is over. */
static void calm(struct vm *vm)
{
    uint64_t until = atomic_load_explicit(&vm->mem.mixed_until, memory_order_relaxed);
    if (unlikely(until != UINT64_MAX) && until <= mono_ns())
        guest_mem_code_calm(&vm->mem, mono_ns());
}

/* Guest code until something wants attention. */
static void run(struct riscv_interp *it, struct riscv_cpu *c)
{
    struct rvdbt_vcpu *d = container_of(it, struct rvdbt_vcpu, it);
    for (;;) {
        set_jump_mask(c, SPACE_JUMP_MASK);
        if (atomic_load(&c->attention))
            return;
        calm(d->v->vm);
        const void *code = rvdbt_dispatch(d, c);
        if (code)
            d->vm->stubs.enter(c, code);
        else if (!atomic_load(&c->attention))
            riscv_interp_block(it);
        it->blocks.running = NULL; /* what unwinds from here on is none of its */
    }
}

/* The stray access' site number goes where the slow stub expects it. */
static void redirect(struct fault_catcher *f, ucontext_t *uc, uint32_t site)
{
    struct rvdbt_vcpu *d = container_of(f, struct rvdbt_vcpu, faults);
    greg_t *r = uc->uc_mcontext.gregs;
    r[REG_RCX] = site;
    r[REG_RIP] = (greg_t)d->vm->stubs.on[RVX_WHY_SLOW];
    d->strayed = true;
    d->v->stats.stray_accesses++;
}

static int dbt_vcpu_init(struct vcpu *v, struct error *err)
{
    struct rvdbt_vcpu *d = mmap(NULL, sizeof(*d), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (d == MAP_FAILED)
        return error_set(err, ENOMEM, "there is no memory for a virtual CPU");
    v->engine_priv = d;
    d->v = v;
    d->vm = v->vm->engine_priv;
    d->faults = (struct fault_catcher){.code = &d->vm->code, .redirect = redirect};
    d->xlat.has_fma = host_has_fma();
    int r = rvdbt_spaces_init(d, err);
    if (r < 0)
        return r;
    d->it.mmu.write_dropped = write_dropped;
    rvx_stubs_tell(&d->vm->stubs, v->cpu);
    r = riscv_interp_init(&d->it, v, code_unmapped, d, err);
    d->it.run = run;
    return r;
}

static void dbt_vcpu_destroy(struct vcpu *v)
{
    struct rvdbt_vcpu *d = v->engine_priv;
    if (!d)
        return;
    riscv_interp_destroy(&d->it, v);
    rvdbt_spaces_destroy(d);
    fault_catcher_destroy(&d->faults);
    munmap(d, sizeof(*d));
}

static void dbt_run(struct vcpu *v, struct vm_exit *exit)
{
    struct rvdbt_vcpu *d = v->engine_priv;
    if (fault_catch(&d->faults, &exit->error) < 0)
        exit->reason = EXIT_FAILED;
    else
        riscv_interp_run(v, exit);
}

static void dbt_kick(struct vcpu *v)
{
    riscv_want_attention(v->cpu, RISCV_ATTN_REQUEST);
    set_jump_mask(v->cpu, 0);
}

/* Other vCPUs that are inside a dropped block leave it at their next poll. The one that stored
 * itself is in C, and does not go back to a dead block. */
static void dbt_code_changed(struct vm *vm, gpa_t page, uint64_t lines)
{
    struct rvdbt_vm *dv = vm->engine_priv;
    if (!code_page_written(&dv->code, page, lines))
        return;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct vcpu *v = &vm->vcpus[i];
        bool self = v->thread_started && pthread_equal(v->thread, pthread_self());
        if (v->engine_priv && !self)
            dbt_kick(v);
    }
}

const struct engine_ops engine_dbt_riscv = {
    .name = "dbt",
    .caps = 0,
    .probe = dbt_probe,
    .vm_init = dbt_vm_init,
    .vm_destroy = dbt_vm_destroy,
    .vcpu_init = dbt_vcpu_init,
    .vcpu_destroy = dbt_vcpu_destroy,
    .run = dbt_run,
    .kick = dbt_kick,
    .state_get = riscv_interp_state_get,
    .state_put = riscv_interp_state_put,
    .code_changed = dbt_code_changed,
    .stats = rvdbt_report,
};
