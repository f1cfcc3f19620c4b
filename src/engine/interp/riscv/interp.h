/*
 * The RISC-V interpreter as a part: the engine `interp`, and what the translator leaves to it,
 * together with the look at what wants attention.
 */
#ifndef DOPPEL_ENGINE_INTERP_RISCV_INTERP_H
#define DOPPEL_ENGINE_INTERP_RISCV_INTERP_H

#include "engine/interp/riscv/block.h"
#include "engine/softmmu/riscv/softmmu.h"
#include "vm/vm.h"

/* v->engine_priv points at it; first member of a bigger struct where another engine embeds it. */
struct riscv_interp {
    struct softmmu mmu;
    struct riscv_blocks blocks;
    /* Guest code until something wants attention. */
    void (*run)(struct riscv_interp *it, struct riscv_cpu *c);
};

/* `unmapped` as in struct softmmu; NULL: the interpreter's own blocks are all there is to tell. */
int riscv_interp_init(struct riscv_interp *it, struct vcpu *v, softmmu_unmapped_fn *unmapped,
                      void *opaque, struct error *err) must_check;
void riscv_interp_destroy(struct riscv_interp *it, struct vcpu *v);
/* One block, at c->pc; raises the guest's faults. */
void riscv_interp_block(struct riscv_interp *it);

/* engine_ops, see engine/engine.h */
void riscv_interp_run(struct vcpu *v, struct vm_exit *exit);
void riscv_interp_kick(struct vcpu *v);
int riscv_interp_state_get(struct vcpu *v, struct error *err) must_check;
int riscv_interp_state_put(struct vcpu *v, struct error *err) must_check;

#endif
