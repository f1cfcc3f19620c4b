/*
 * Random 64-bit programs that never come to an end: user code, and the same code in kernel mode,
 * over pages that work well enough to get far. Every exception and interrupt leads to one of some
 * handlers, which change the address space, what is mapped, flags and vector state, and go on
 * somewhere else.
 */
#ifndef TESTS_ISA_LOCKSTEP_PROGRAM_H
#define TESTS_ISA_LOCKSTEP_PROGRAM_H

#include "../fuzz/engine/interp_machine.h"

/* Everything follows from `seed`. */
void lockstep_program_make(struct machine *m, uint64_t seed);

#endif
