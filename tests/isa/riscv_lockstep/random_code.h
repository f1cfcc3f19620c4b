/*
 * Random RISC-V programs for a process VM: they end with ECALL, whatever way they take, and access
 * only what x2 and x9 point into.
 */
#ifndef DOPPEL_TESTS_ISA_RISCV_LOCKSTEP_RANDOM_CODE_H
#define DOPPEL_TESTS_ISA_RISCV_LOCKSTEP_RANDOM_CODE_H

#include <stdint.h>

struct random_code {
    uint64_t seed;
    uint16_t *code; /* halfwords */
    unsigned max, n;
};

uint64_t random_next(struct random_code *r);
/* Fills code[]; the last instruction is ECALL. */
void random_program(struct random_code *r);
/* A register's value: often one that is special. */
uint64_t random_value(struct random_code *r);

#endif
