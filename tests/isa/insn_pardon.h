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

/* Translated code keeps no flags that nobody reads: none of those that an instruction which faults
 * will write when it comes again, and after a division those that it leaves undefined. Its near
 * branches look at their target no sooner than when they are there: to a non-canonical one they
 * fault at the target, as a handler sees it. It drops the x87 unit's pointers to its last
 * instruction. */
void pardon_translation(const struct insn_code *code, const struct insn_end *host,
                        struct insn_end *guest);

#endif
