/*
 * The translator as an engine of process VMs (engine/flat.h).
 *
 * Invariants
 * 1. Code is found by guest address, which is also what the cache takes for a physical one: a
 *    process has one address space. All harts share the cache and the jump table, whose slots are
 *    single words; each block checks that it is the one meant.
 * 2. A hart holds `world` for reading while it is in run(). Who empties the cache holds it for
 *    writing, so nobody is inside a block then.
 * 3. Guest memory may vanish under any access. In translated code the host's fault leads to a site;
 *    in C no lock but `world` is held when guest memory is touched.
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_FLAT_H
#define DOPPEL_ENGINE_DBT_RISCV_FLAT_H

#include <pthread.h>

#include "engine/dbt/riscv/stubs.h"
#include "engine/dbt/riscv/xlat.h"
#include "engine/flat.h"
#include "isa/riscv/op.h"

enum { FLAT_OPS = 256, FLAT_REGION_SHIFT = 21, FLAT_JUMPS = 1 << 14 };
#define FLAT_JUMP_MASK ((FLAT_JUMPS - 1) * UINT64_C(16)) /* as SPACE_JUMP_MASK */

/* Of the process. */
struct flat_dbt {
    struct flat_space *space;
    struct code_cache code;
    struct rvx_stubs stubs;
    struct space_jump *jumps; /* FLAT_JUMPS */
    uint64_t *regions;        /* bitmap of those that have translations */
    pthread_rwlock_t world;
    pthread_mutex_t lock; /* of `harts` and `regions` */
    struct flat_hart *harts;
};

/* The executable form of a site's instruction. */
struct flat_op {
    uint32_t site;
    bool valid;
    struct riscv_op op[2]; /* and the end op */
};

struct flat_hart {
    struct riscv_cpu *c;
    struct flat_dbt *f;
    struct flat_hart *next;
    enum flat_exit exit; /* of run() */
    bool full;           /* the cache is: leave, and empty it */
    bool running;        /* host faults are the guest's */
    bool computes;       /* has used floating point: run() gives it the host's FPU at once */
    uint32_t epoch;      /* of `ops` */
    struct flat_op ops[FLAT_OPS];
    struct rvx xlat;
};

/* flat_slow.c: what stubs call. */
const void *flat_handle(struct riscv_cpu *c, enum rvx_reason why, uint64_t arg);
/* Translated code for c->pc. NULL: the run is over, h->exit says how, or h->full is set. */
const void *flat_dispatch(struct flat_hart *h);

/* flat_find.c: the block at c->pc, translated if need be. NULL as above. */
const struct code_block *flat_find(struct flat_hart *h);

static inline struct flat_hart *flat_hart_of(const struct riscv_cpu *c)
{
    return c->vcpu;
}

#endif
