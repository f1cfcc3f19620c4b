/*
 * Host code between C and translated code.
 *
 * Translated code runs on the host's stack, with rbp in the middle of struct riscv_cpu and the
 * registers that regs.h names in the host's. It leaves through a stub, which puts them into the
 * struct and calls C; what C returns is where to go on, with the registers as the struct has them
 * then, or NULL to return from enter(). MXCSR is whose isa/riscv/fp_state.h says, on both sides.
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_STUBS_H
#define DOPPEL_ENGINE_DBT_RISCV_STUBS_H

#include "base/execmem.h"
#include "isa/riscv/cpu.h"

/* Why translated code called, and what rcx held. */
enum rvx_reason {
    RVX_WHY_SLOW,   /* site number */
    RVX_WHY_LINK,   /* link number */
    RVX_WHY_MISS,   /* guest address that no jump slot knows */
    RVX_WHY_ATTEND, /* guest address where the poll found attention wanted */
    RVX_WHY_FAULT,  /* site number: the host refused its access */
    RVX_WHYS,
};

/* Runs on the hart's thread; may not return (riscv_raise). */
typedef const void *rvx_handler(struct riscv_cpu *c, enum rvx_reason why, uint64_t arg);

struct rvx_stubs {
    void (*enter)(struct riscv_cpu *c, const void *code); /* the GS base is set */
    uint64_t on[RVX_WHYS];
};

/* `paged`: the jump table is a space's, in which an address may stand in its slot's neighbour. */
int rvx_stubs_make(struct rvx_stubs *s, struct execmem *mem, rvx_handler *handler, bool paged,
                   struct error *err) must_check;
/* The addresses that translated code finds in the hart's struct. */
void rvx_stubs_tell(const struct rvx_stubs *s, struct riscv_cpu *c);

#endif
