/*
 * What --stats says of the RISC-V translator: instructions left alone.
 */
#include "engine/dbt/report.h"

#include "engine/dbt/riscv/dbt.h"
#include "isa/riscv/op_info.h"

enum { TOP = 10 };

void rvdbt_report(struct vm *vm, engine_stat_fn *add, void *opaque)
{
    struct rvdbt_vm *dv = vm->engine_priv;
    uint64_t counts[RISCV_OPS] = {0};
    code_report(&dv->code, add, opaque);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        const struct rvdbt_vcpu *d = vm->vcpus[i].engine_priv;
        for (unsigned k = 0; k < RISCV_OPS; k++)
            counts[k] += d->untranslated[k];
    }
    for (unsigned i = 0; i < TOP; i++) {
        unsigned top = 0;
        for (unsigned k = 1; k < RISCV_OPS; k++)
            top = counts[k] > counts[top] ? k : top;
        if (!counts[top])
            break;
        add(opaque, "untranslated", riscv_op_info[top].name, (double)counts[top]);
        counts[top] = 0;
    }
}
