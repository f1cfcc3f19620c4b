/*
 * A static RISC-V Linux program in the memory of a flat hart, for tests of instructions. Of system
 * calls there are write and exit. What goes wrong ends the process with status 2 and a sentence.
 */
#ifndef TESTS_ISA_RISCV_FLAT_PROGRAM_H
#define TESTS_ISA_RISCV_FLAT_PROGRAM_H

#include <stdint.h>

#include "isa/riscv/cpu.h"

#define FLAT_PROGRAM_SPACE (UINT64_C(1) << 32)
#define FLAT_PROGRAM_STACK (FLAT_PROGRAM_SPACE - (1 << 20)) /* the program lies below */

static inline void *flat_program_host(const struct riscv_cpu *c, uint64_t va)
{
    return (void *)(uintptr_t)(c->flat_base + va);
}

_Noreturn void flat_program_die(const char *what);
/* Give the hart memory; before an engine takes it. */
void flat_program_init(struct riscv_cpu *c);
/* argv[0] is the program's file. */
void flat_program_load(struct riscv_cpu *c, int argc, char **argv);
/* The hart trapped: do the system call, so that it can go on. */
void flat_program_trap(struct riscv_cpu *c);

#endif
