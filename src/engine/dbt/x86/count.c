#include "engine/dbt/x86/count.h"

/* Does the table lack what the site looked for? */
static bool unmapped(const struct dbt_vcpu *d, const struct code_site *site, const gva_t *va,
                     unsigned nva)
{
    for (unsigned i = 0; i < nva; i++) {
        const struct space_entry *e = space_entry(d->space, va[i]);
        if (!(site->flags & CODE_SITE_WRITE ? e->write : e->read))
            return true;
    }
    return false;
}

void count_site(struct dbt_vcpu *d, uint32_t n, const gva_t *va, unsigned nva)
{
    const struct code_site *site = &d->vm->code.sites[n];
    struct vcpu_stats *s = &d->v->stats;
    bool strayed = d->strayed;
    d->strayed = false;
    if (site->flags & CODE_SITE_WHOLE) {
        s->slow_untranslated++;
        d->untranslated[d->ops[n % DBT_OPS].iclass]++;
    } else if (!site->access) {
        s->slow_values++;
    } else if (unmapped(d, site, va, nva)) {
        s->slow_unmapped++;
    } else if (!strayed) {
        s->slow_unaligned++;
    }
}
