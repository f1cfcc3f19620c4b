/* The memory of the machine that the seeds hold and the reader's target loads into. */
#ifndef DOPPEL_TESTS_FUZZ_STATE_OBJECTS_MEM_H
#define DOPPEL_TESTS_FUZZ_STATE_OBJECTS_MEM_H

#include "mem/guest_mem.h"

static inline int small_machine(struct guest_mem *m)
{
    int rc = guest_mem_init(m, 64 * GUEST_PAGE_SIZE, NULL);
    if (!rc)
        rc = guest_mem_add_slot(m, 0, 60 * GUEST_PAGE_SIZE, false, NULL);
    if (!rc)
        rc = guest_mem_add_slot(m, 0xfffff000, 4 * GUEST_PAGE_SIZE, true, NULL);
    return rc;
}

#endif
