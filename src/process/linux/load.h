/*
 * Getting a program into an empty process: its segments and its dynamic linker's, heap, stack with
 * arguments, environment and auxiliary vector, and the page that handlers return through.
 */
#ifndef DOPPEL_PROCESS_LINUX_LOAD_H
#define DOPPEL_PROCESS_LINUX_LOAD_H

#include "base/error.h"
#include "process/linux/process.h"

/* What the loaded files leave for the auxiliary vector. */
struct loaded {
    gva_t entry;    /* of the program */
    gva_t phdr;     /* its program headers in memory */
    uint16_t phnum; /* how many */
    gva_t interp;   /* where the dynamic linker was put; 0: none */
    gva_t start;    /* where the process begins: in one or the other */
};

/* Sets p->arena.brk, p->entry, p->exe. */
int load_program(struct process *p, struct loaded *out, struct error *err) must_check;
/* Before the program, which comes below. Sets p->stack. */
int load_map_stack(struct process *p, struct error *err) must_check;
/* Sets p->stack_top, p->args, p->auxv. */
int load_stack(struct process *p, const struct loaded *l, struct error *err) must_check;
/* Sets p->trampoline. */
int load_trampoline(struct process *p, struct error *err) must_check;

#endif
