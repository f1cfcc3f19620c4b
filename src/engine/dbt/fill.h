/*
 * Page table entries that are known together with one that was asked for.
 */
#ifndef DOPPEL_ENGINE_DBT_FILL_H
#define DOPPEL_ENGINE_DBT_FILL_H

#include "engine/dbt/space.h"
#include "mem/guest_mem.h"

/*
 * The page at `va` is part of a large one: what holds for it holds for those beside it in the same
 * slot, but for what we know of each page.
 */
void space_fill_around(struct space *s, const struct guest_mem *mem, gva_t va, struct space_entry e,
                       bool local);

#endif
