/*
 * Signals on the thread of a vCPU that runs translated code: an access that the host refuses, by a
 * page table entry that belongs to another address (space.h, invariant 3), goes to its slow path.
 */
#ifndef DOPPEL_ENGINE_DBT_FAULT_H
#define DOPPEL_ENGINE_DBT_FAULT_H

#include <stdbool.h>
#include <ucontext.h>

#include "engine/dbt/code.h"

/* One a vCPU. */
struct fault_catcher {
    struct code_cache *code;
    /* On the vCPU's thread, in a signal handler: make `uc` go on in the slow path of the site. */
    void (*redirect)(struct fault_catcher *f, ucontext_t *uc, uint32_t site);
    void *stack; /* the handler's: translated code may use the stack pointer for something else */
    bool ready;
};

/* Called by each run(), on the vCPU's thread. */
int fault_catch(struct fault_catcher *f, struct error *err) must_check;
void fault_catcher_destroy(struct fault_catcher *f);

#endif
