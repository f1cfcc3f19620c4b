/*
 * What --stats says of the translator beyond each vCPU's counters: instructions left alone.
 */
#include "engine/dbt/report.h"
#include "engine/dbt/x86/dbt.h"
#include "isa/x86/decode.h"

enum { TOP = 10 };

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
    code_report(&dv->code, add, opaque);
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
