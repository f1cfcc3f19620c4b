/*
 * The x86 interpreter as a part: the engine `interp`, and what the translator leaves to it (modes
 * other than 64-bit, single steps, instructions that must run alone) together with the look at what
 * wants attention.
 */
#ifndef DOPPEL_ENGINE_INTERP_X86_INTERP_H
#define DOPPEL_ENGINE_INTERP_X86_INTERP_H

#include "engine/interp/x86/block.h"
#include "vm/vm.h"

/* v->engine_priv points at it; first member of a bigger struct where another engine embeds it. */
struct interp {
    struct softmmu mmu;
    struct x86_blocks blocks;
    const struct block *running;
    bool lone; /* the next instruction runs by itself, see softmmu's need_alone() */
    /* Guest code until something wants attention; false: no memory at c->rip. */
    bool (*run)(struct interp *it, struct x86_cpu *c);
    /* Called before an instruction runs by itself; may be NULL. */
    void (*before_lone)(struct interp *it);
};

/* `unmapped` as in struct softmmu; NULL: the interpreter's own blocks are all there is to tell. */
int interp_init(struct interp *it, struct vcpu *v, softmmu_unmapped_fn *unmapped, void *opaque,
                struct error *err) must_check;
void interp_destroy(struct interp *it, struct vcpu *v);
/* One block; false: no memory at c->rip. */
bool interp_block(struct interp *it, struct x86_cpu *c);

/* engine_ops, see engine/engine.h */
void interp_run(struct vcpu *v, struct vm_exit *exit);
void interp_kick(struct vcpu *v);
int interp_state_get(struct vcpu *v, struct error *err) must_check;
int interp_state_put(struct vcpu *v, struct error *err) must_check;

#endif
