/*
 * What planning anchors knows of the instructions of a block (xlat_anchor.c, xlat_loop.c).
 */
#ifndef DOPPEL_ENGINE_DBT_X86_XLAT_ANCHOR_H
#define DOPPEL_ENGINE_DBT_X86_XLAT_ANCHOR_H

#include "engine/dbt/x86/xlat.h"

enum { XLAT_SPAN = 1024 }; /* bytes that one anchor covers at most */

/* One memory access of an instruction, in the order in which they are checked. */
struct xlat_access {
    uint8_t base, index; /* X86_REG_NONE: no index; no base: cannot be anchored */
    uint8_t scale, size;
    bool write;
    int64_t disp;
};

/* Found out once for each instruction. */
struct xlat_facts {
    struct xlat_access a[2];
    uint8_t naccesses;
    bool keeps;      /* anchors live on over it */
    bool target;     /* some jump of the block comes back to it */
    bool back;       /* it may jump back itself */
    bool join;       /* forward jumps of the block come here: the first from `from`, and */
    bool join_moved; /* the stack pointer may differ from what it is on the straight way */
    uint8_t from;
    bool known_move; /* of the stack pointer, */
    int32_t move;    /* by this much */
    uint32_t writes; /* registers */
};

/*
 * r15 = what to add for the page that holds [low, low + len); destroys r11 (left: low's offset in
 * the page) and the flags. The tail that is returned goes on in plain code at the current
 * instruction; the caller says how to treat flags there.
 */
struct xlat_tail *xlat_find_page(struct xlat *x, struct asm_mem low, uint32_t len, bool write);

/* xlat_loop.c: may claim accesses of the block's loops. */
void xlat_plan_loops(struct xlat *x, const struct xlat_facts *f);
/* The loop that the instruction is part of; or NULL. */
struct xlat_loop *xlat_loop_around(struct xlat *x, unsigned insn);

#endif
