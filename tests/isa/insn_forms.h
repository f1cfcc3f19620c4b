/*
 * The instruction forms, enumerated: opcode maps times prefix sets times ModRM.reg, completed with
 * random addressing, displacement and immediate.
 */
#ifndef TESTS_ISA_INSN_FORMS_H
#define TESTS_ISA_INSN_FORMS_H

#include "insn_case.h"
#include "insn_random.h"

/* A position in the enumeration. */
struct form {
    uint8_t mode;   /* 64 or 32 */
    uint8_t map;    /* 0 one-byte, 1 0F, 2 0F38, 3 0F3A; 4 + that: VEX */
    uint8_t prefix; /* index of the prefix set */
    uint8_t reg;    /* ModRM.reg */
    uint8_t opcode;
};

enum form_kind {
    FORM_SKIP, /* not this test's, or not safe on a host */
    FORM_EXECUTES,
    FORM_UNDEFINED, /* must raise #UD */
};

/* The first form of `mode`, and the one after `f`; false when there is none. */
void form_first(struct form *f, unsigned mode);
bool form_next(struct form *f);
/* Make an instruction of it, of the vector and x87 classes or of all others. */
enum form_kind form_complete(const struct form *f, struct rng *r, bool vectors,
                             struct insn_code *code);

#endif
