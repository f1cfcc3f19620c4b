/*
 * From instruction class to the functions that execute it.
 */
#ifndef DOPPEL_ISA_X86_EXEC_TABLE_H
#define DOPPEL_ISA_X86_EXEC_TABLE_H

#include "isa/x86/op.h"

/* NULL for classes that native.h executes. */
const struct x86_exec *x86_exec_of(unsigned iclass);

/* Raises #UD. */
extern x86_exec_fn *const x86_exec_undefined;
/* 64-bit Jcc by condition. */
extern x86_exec_fn *const x86_jcc64[16];
/* MOVZX to 32 bits: [source is 16 bits][source is memory]. */
extern x86_exec_fn *const x86_movzx32[2][2];

#endif
