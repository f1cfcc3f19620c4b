/*
 * Linux starts RISC-V programs by itself when it knows who runs them: binfmt_misc
 * (Documentation/admin-guide/binfmt-misc.rst of the kernel).
 */
#ifndef DOPPEL_CMD_BINFMT_H
#define DOPPEL_CMD_BINFMT_H

#include "base/compiler.h"
#include "base/error.h"

/* By a link of this name main() knows that the kernel calls. */
#define BINFMT_PROGRAM "doppel-exec-riscv64"

/* The line for binfmt_misc's `register` file, to standard output. */
int binfmt_print(void) must_check;
/* Register it, and make the link beside this program if it is not there. */
int binfmt_install(struct error *err) must_check;

#endif
