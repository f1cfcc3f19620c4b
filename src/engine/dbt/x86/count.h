/*
 * Why translated code left for C, counted; docs/translation.md tells how to read it.
 */
#ifndef DOPPEL_ENGINE_DBT_X86_COUNT_H
#define DOPPEL_ENGINE_DBT_X86_COUNT_H

#include "engine/dbt/x86/dbt.h"

static inline void count_call(struct dbt_vcpu *d, enum stub_reason why)
{
    struct vcpu_stats *s = &d->v->stats;
    s->block_links += why == STUB_LINK;
    s->jump_misses += why == STUB_MISS;
    s->attends += why == STUB_ATTEND;
}

/* Site `n` called, about to run `op`, which accesses the `nva` addresses `va`. */
void count_site(struct dbt_vcpu *d, uint32_t n, const gva_t *va, unsigned nva);

#endif
