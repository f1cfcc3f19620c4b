/*
 * What --stats says of the translator beyond each vCPU's counters.
 */
#include "engine/dbt/dbt.h"
#include "isa/x86/decode.h"

enum { TOP = 10 };

static void report_code(struct code_cache *cc, engine_stat_fn *add, void *opaque)
{
    static const char group[] = "translation";
    pthread_mutex_lock(&cc->lock);
    const struct code_stats s = cc->stats;
    const size_t size = cc->mem.size, used = cc->mem.used;
    pthread_mutex_unlock(&cc->lock);
    add(opaque, group, "blocks", (double)s.blocks);
    add(opaque, group, "guest_instructions", (double)s.guest_insns);
    add(opaque, group, "guest_bytes", (double)s.guest_bytes);
    add(opaque, group, "host_bytes", (double)s.bytes);
    add(opaque, group, "nanoseconds", (double)s.ns);
    add(opaque, group, "nanoseconds_per_instruction",
        s.guest_insns ? (double)s.ns / (double)s.guest_insns : 0);
    add(opaque, group, "links", (double)s.links);
    add(opaque, group, "killed_by_writes", (double)s.invalidated);
    add(opaque, group, "self_checking", (double)s.checking);
    add(opaque, group, "found_stale", (double)s.stale);
    add(opaque, group, "flushes", (double)s.flushes);
    add(opaque, group, "cache_bytes", (double)size);
    add(opaque, group, "cache_bytes_used", (double)used);
}

/* The class counted most often, which is taken out; 0: none is left. */
static unsigned take_top(uint64_t counts[X86_I_COUNT], uint64_t *count)
{
    unsigned top = 0;
    *count = 0;
    for (unsigned i = 0; i < X86_I_COUNT; i++) {
        if (counts[i] > *count) {
            *count = counts[i];
            top = i;
        }
    }
    counts[top] = 0;
    return top;
}

void dbt_report(struct vm *vm, engine_stat_fn *add, void *opaque)
{
    struct dbt_vm *dv = vm->engine_priv;
    uint64_t counts[X86_I_COUNT] = {0}, count;
    report_code(&dv->code, add, opaque);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        const struct dbt_vcpu *d = vm->vcpus[i].engine_priv;
        for (unsigned k = 0; k < X86_I_COUNT; k++)
            counts[k] += d->untranslated[k];
    }
    for (unsigned i = 0; i < TOP; i++) {
        unsigned top = take_top(counts, &count);
        if (!count)
            break;
        add(opaque, "untranslated", x86_iclass_name(top), (double)count);
    }
}
