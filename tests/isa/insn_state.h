/*
 * Start states for an instruction: random registers and flags, made so that most memory operands,
 * stacks and branch targets lie where both sides have something mapped.
 */
#ifndef TESTS_ISA_INSN_STATE_H
#define TESTS_ISA_INSN_STATE_H

#include "insn_case.h"
#include "insn_random.h"

/* Fill the pages that every case of a batch starts from. */
void state_pristine(struct rng *r, uint8_t *data);
/* Choose the place of the instruction in the code area, and displacement or branch distance. Call
 * once for each instruction, before state_make. */
void state_place(struct rng *r, struct insn_code *code);
void state_make(struct rng *r, const struct insn_code *code, struct insn_case *t);

#endif
