/*
 * The x86 front end's per-VM and per-vCPU parts.
 *
 * Invariants
 * 1. Only 64-bit code without hardware breakpoints on data is translated; the embedded interpreter
 *    runs all else, and every instruction the translator leaves to it.
 * 2. Outside of stubs.enter() and its handler, struct x86_cpu is true but for the x87 unit, which
 *    may still be in the host's (`x87_live`).
 * 3. hot->attention and a jump mask of 0 are set after c->attention and cleared before that is
 *    looked at.
 */
#ifndef DOPPEL_ENGINE_DBT_X86_DBT_H
#define DOPPEL_ENGINE_DBT_X86_DBT_H

#include "engine/dbt/code.h"
#include "engine/dbt/fault.h"
#include "engine/dbt/space.h"
#include "engine/dbt/x86/stubs.h"
#include "engine/dbt/x86/xlat.h"
#include "engine/interp/x86/interp.h"
#include "isa/x86/op.h"

enum { DBT_USER_SPACES = 6, DBT_OPS = 512 };

struct dbt_vm {
    struct code_cache code;
    struct stubs stubs;
    struct space_stubs jump_stubs;
    struct space_aliases aliases[MEM_MAX_SLOTS];
};

/* The executable form of a site's instruction. */
struct dbt_op {
    uint32_t site;
    bool valid;
    bool x87;     /* works on the x87 unit's image, */
    bool vectors; /* or on that of vector registers alone */
    uint16_t iclass;
    struct x86_op op[2]; /* and the end op */
};

/* What hot->side depends on. */
struct dbt_pairing {
    uint64_t asid, cr4, star, gdt_base;
    uint32_t ctx, gdt_limit;
    bool stale;
    bool gdt_local; /* the descriptors are not mapped globally */
};

struct dbt_vcpu {
    struct interp it; /* first: v->engine_priv points at it */
    struct vcpu *v;
    struct dbt_vm *vm;
    struct dbt_hot *hot;
    int hot_fd;
    struct space kernel, user[DBT_USER_SPACES];
    struct space *space; /* the one GS points at; NULL: none yet */
    struct dbt_pairing paired;
    uint64_t kernel_key; /* whose local entries the kernel's space holds */
    uint64_t uses;
    bool x87_live;
    bool image_upper; /* the image of the vectors' upper halves may hold other than zeroes */
    bool strayed;     /* the next call comes from the host's fault */
    gpa_t pages[2];   /* of the block that called: softmmu.code */
    uint32_t epoch;
    uint64_t native_generation;
    struct fault_catcher faults;
    struct lockstep *lockstep; /* NULL: nobody compares */
    struct dbt_op ops[DBT_OPS];
    uint64_t untranslated[X86_I_COUNT]; /* calls of whole sites */
    const uint8_t *copied; /* the page that xlat.page is a copy of, perhaps an old one; or NULL */
    struct xlat xlat;
};

/* x86/dbt.c: engine_ops, shared with the engine that compares (x86/lockstep.c) */
int dbt_vm_init(struct vm *vm, struct error *err) must_check;
void dbt_vm_destroy(struct vm *vm);
void dbt_run(struct vcpu *v, struct vm_exit *exit);
void dbt_kick(struct vcpu *v);
void dbt_code_changed(struct vm *vm, gpa_t page, uint64_t lines);
int dbt_vcpu_init(struct vcpu *v, struct error *err) must_check;
void dbt_vcpu_destroy(struct vcpu *v);

/* x86/report.c */
void dbt_report(struct vm *vm, engine_stat_fn *add, void *opaque);

/* x86/slow.c: what stubs call, and the way in. */
const void *dbt_handle(struct x86_cpu *c, enum stub_reason why, uint64_t arg);
/* Translated code for c->rip, with the space and hot page made ready; NULL: attention is wanted, or
 * the interpreter must run it. May raise the guest's fetch faults. */
const void *dbt_dispatch(struct dbt_vcpu *d, struct x86_cpu *c);
/* Ready to run `b`, which is at c->rip. */
const void *dbt_enter_block(struct dbt_vcpu *d, struct x86_cpu *c, const struct code_block *b);
bool dbt_can_translate(const struct x86_cpu *c);
/* Put the x87 unit into struct x86_cpu. */
void dbt_save_x87(struct dbt_vcpu *d);

/* x86/find.c: the block at c->rip, translated if need be; NULL: leave it to the interpreter.
 * `extra`: CTX_PLAIN or 0. */
const struct code_block *dbt_find(struct dbt_vcpu *d, struct x86_cpu *c, uint32_t extra);

/* The block found other bytes than it was made from: go on with one that was made from these. */
const void *dbt_stale(struct dbt_vcpu *d, struct x86_cpu *c, const struct code_site *site);

/* x86/spaces.c */
int dbt_spaces_init(struct dbt_vcpu *d, struct error *err) must_check;
void dbt_spaces_destroy(struct dbt_vcpu *d);
/* Make GS point at the space of the CPU's mode and address space. */
void dbt_enter_space(struct dbt_vcpu *d, struct x86_cpu *c);
/* Is the space that GS points at still the right one? */
bool dbt_space_is_current(const struct dbt_vcpu *d, const struct x86_cpu *c);
/* After a slow access succeeded: let the fast path have it. */
void dbt_fill(struct dbt_vcpu *d, struct x86_cpu *c, gva_t va);
void dbt_unmapped(struct dbt_vcpu *d, gva_t va, bool all);
void dbt_drop_write(struct dbt_vcpu *d, const uint8_t *host);
void dbt_forget_jumps(struct dbt_vcpu *d);
/* An IRET has just looked at its descriptors: the next may look at them itself. */
void dbt_note_descriptors(struct dbt_vcpu *d, const struct x86_cpu *c);

/* x86/fault.c: struct fault_catcher's */
void dbt_redirect(struct fault_catcher *f, ucontext_t *uc, uint32_t site);

#endif
