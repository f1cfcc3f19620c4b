/*
 * Instructions as text, in the assembler's syntax without its aliases.
 */
#ifndef DOPPEL_ISA_RISCV_DISASM_H
#define DOPPEL_ISA_RISCV_DISASM_H

#include <stddef.h>

#include "base/addr.h"
#include "isa/riscv/insn.h"

/* `pc` is the instruction's, for branch targets. Truncates to `len` bytes, 0-terminated. */
void riscv_disasm(char *buf, size_t len, const struct riscv_insn *in, gva_t pc);
/* "a0", "fs11" */
const char *riscv_x_name(unsigned reg);
const char *riscv_f_name(unsigned reg);

#endif
