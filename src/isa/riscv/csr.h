/*
 * Control and status registers.
 */
#ifndef DOPPEL_ISA_RISCV_CSR_H
#define DOPPEL_ISA_RISCV_CSR_H

#include "base/compiler.h"
#include "isa/riscv/cpu.h"

/* By software in the current mode; false: illegal instruction, nothing happened. */
bool riscv_csr_read(struct riscv_cpu *c, unsigned csr, uint64_t *val) must_check;
bool riscv_csr_write(struct riscv_cpu *c, unsigned csr, uint64_t val) must_check;

/* mstatus as software sees it. */
uint64_t riscv_mstatus(const struct riscv_cpu *c);
/* Write it, legalised; everything derived from it follows. */
void riscv_set_mstatus(struct riscv_cpu *c, uint64_t val);

#endif
