/*
 * Where a stray access of translated x86 code goes on: with its site's number in r11, in the slow
 * stub.
 */
#include "engine/dbt/x86/dbt.h"
#include "isa/x86/flags.h"

/* What the tail of a string instruction would do on the way to the slow path: xlat_string.c. */
static void end_string(const struct dbt_hot *hot, greg_t *r)
{
    r[REG_RCX] += (greg_t)hot->tmp[2];
    r[REG_EFL] &= ~(greg_t)FL_ARITH;
    r[REG_EFL] |= (greg_t)arith_to_rflags((uint16_t)hot->tmp[1]);
}

void dbt_redirect(struct fault_catcher *f, ucontext_t *uc, uint32_t site)
{
    struct dbt_vcpu *d = container_of(f, struct dbt_vcpu, faults);
    greg_t *r = uc->uc_mcontext.gregs;
    if (d->vm->code.sites[site].flags & CODE_SITE_STRING)
        end_string(d->hot, r);
    r[REG_R11] = site;
    r[REG_RIP] = (greg_t)d->vm->stubs.slow;
    d->strayed = true;
    d->v->stats.stray_accesses++;
}
