/*
 * Differences between host and guest that are none of the interpreter's: what the host's kernel
 * does to the picture, what a manual leaves open and CPUs decide by encoding or by chance.
 */
#ifndef TESTS_ISA_INSN_PARDON_H
#define TESTS_ISA_INSN_PARDON_H

#include "insn_case.h"

/* Make such differences equal in both ends; false: they cannot be compared at all. */
bool pardon(const struct insn_code *code, bool vectors, struct insn_end *host,
            struct insn_end *guest);

#endif
