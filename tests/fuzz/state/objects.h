/* What the fuzz targets load and the seed generator saves. */
#ifndef DOPPEL_TESTS_FUZZ_STATE_OBJECTS_H
#define DOPPEL_TESTS_FUZZ_STATE_OBJECTS_H

#include <errno.h>

#include "mem/guest_mem.h"
#include "state/state.h"

#define PART_STATE(S, A, B, N) S(uint16_t, index) S(bool, on)

struct part {
    STATE_MEMBERS(PART_STATE)
};

extern const struct state_desc part_state;
#define STATE_OWNER struct part
STATE_DESC(part_state, "part", 1, PART_STATE);
#undef STATE_OWNER

#define WHOLE_STATE(S, A, B, N)                                                                    \
    S(uint8_t, small)                                                                              \
    S(uint64_t, big)                                                                               \
    A(uint32_t, regs, 4)                                                                           \
    A(bool, flags, 3)                                                                              \
    B(bytes, 9)                                                                                    \
    N(struct part, parts, 2, part_state)

struct whole {
    STATE_MEMBERS(WHOLE_STATE)
};

static inline int whole_post_load(void *obj, struct error *err)
{
    const struct whole *w = obj;
    return w->small > 200 ? error_set(err, EINVAL, "small is too large") : 0;
}

extern const struct state_desc whole_state;
#define STATE_OWNER struct whole
STATE_DESC(whole_state, "whole", 2, WHOLE_STATE, .post_load = whole_post_load);
#undef STATE_OWNER

/* The memory of the machine that the seeds hold and the reader's target loads into. */
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
