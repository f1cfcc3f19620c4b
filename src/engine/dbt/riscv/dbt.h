/*
 * The translator for RISC-V machines: its per-VM and per-vCPU parts.
 *
 * Invariants
 * 1. The embedded interpreter runs what is not translated: pages that are written again and again,
 *    and every instruction that the translator leaves to it. All state is in struct riscv_cpu
 *    whenever C runs.
 * 2. While translated code runs, GS points at the space of the hart's data accesses; its jump table
 *    holds code of one context (rvx_ctx_of).
 * 3. A jump mask of 0 is set after c->attention and taken back before that is looked at.
 * 4. Where mstatus.FS says that floating-point registers may be used, they count as dirty and are
 *    in the host's when a block is entered, but in S-mode: fewer contexts. [RISC-V priv 3.1.6.6
 *    allows it]
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_DBT_H
#define DOPPEL_ENGINE_DBT_RISCV_DBT_H

#include "engine/dbt/fault.h"
#include "engine/dbt/riscv/stubs.h"
#include "engine/dbt/riscv/xlat.h"
#include "engine/interp/riscv/interp.h"

enum { RVDBT_SPACES = 8, RVDBT_OPS = 512 };

struct rvdbt_vm {
    struct code_cache code;
    struct rvx_stubs stubs;
    struct space_stubs jump_stubs;
    struct space_aliases aliases[MEM_MAX_SLOTS];
};

/* The executable form of a site's instruction. */
struct rvdbt_op {
    uint32_t site;
    bool valid;
    uint16_t op;
    uint8_t base;           /* register of the address it accesses, */
    bool accesses;          /* if it does */
    struct riscv_op ops[2]; /* and the end op */
};

struct rvdbt_vcpu {
    struct riscv_interp it; /* first: v->engine_priv points at it */
    struct vcpu *v;
    struct rvdbt_vm *vm;
    int hot_fd; /* the spaces' first page, which nothing here uses */
    /* Of S-mode in whatever address space, without and with SUM; and of all else. */
    struct space supervisor[2], others[RVDBT_SPACES];
    struct space *space; /* the one GS points at; NULL: none yet */
    uint64_t uses;
    uint32_t epoch;
    bool strayed; /* the next call comes from the host's fault */
    struct fault_catcher faults;
    struct rvdbt_op ops[RVDBT_OPS];
    uint64_t untranslated[RISCV_OPS]; /* calls of whole sites */
    struct rvx xlat;
};

/* riscv/slow.c: what stubs call, and the way in. */
const void *rvdbt_handle(struct riscv_cpu *c, enum rvx_reason why, uint64_t arg);
/* Translated code for c->pc, with its space; NULL: attention is wanted, or the interpreter must run
 * it. May raise the guest's fetch faults. */
const void *rvdbt_dispatch(struct rvdbt_vcpu *d, struct riscv_cpu *c);

/* riscv/find.c: the block at c->pc, translated if need be; NULL: leave it to the interpreter.
 * `extra`: RVX_CTX_PLAIN or 0. */
const struct code_block *rvdbt_find(struct rvdbt_vcpu *d, struct riscv_cpu *c, uint32_t extra);

/* riscv/spaces.c */
int rvdbt_spaces_init(struct rvdbt_vcpu *d, struct error *err) must_check;
void rvdbt_spaces_destroy(struct rvdbt_vcpu *d);
/* Make GS point at the space of the hart's mode and address space. */
void rvdbt_enter_space(struct rvdbt_vcpu *d, struct riscv_cpu *c);
bool rvdbt_space_is_current(const struct rvdbt_vcpu *d, const struct riscv_cpu *c);
/* After a slow access succeeded: let the fast path have it. */
void rvdbt_fill(struct rvdbt_vcpu *d, struct riscv_cpu *c, gva_t va);
void rvdbt_unmapped(struct rvdbt_vcpu *d, gva_t va, bool all);
void rvdbt_drop_write(struct rvdbt_vcpu *d, const uint8_t *host);
void rvdbt_forget_jumps(struct rvdbt_vcpu *d);

/* riscv/report.c */
void rvdbt_report(struct vm *vm, engine_stat_fn *add, void *opaque);

#endif
