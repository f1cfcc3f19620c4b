/*
 * The judge: runs cases on the host CPU, in a child process.
 */
#ifndef TESTS_ISA_INSN_HOST_H
#define TESTS_ISA_INSN_HOST_H

#include "insn_case.h"

struct insn_shared {
    struct insn_batch batch;
    struct insn_end end[BATCH_CASES];
    volatile uint32_t at; /* the case under way, for the report when the child dies or hangs */
};

struct insn_host {
    struct insn_shared *shared;
    int pid, to_child, from_child;
};

/* 0, or -1 with a message on stderr. */
int insn_host_start(struct insn_host *h);
/* Run shared->batch; results in shared->end. -1: the child died or hangs; shared->at says where. */
int insn_host_run(struct insn_host *h);
void insn_host_stop(struct insn_host *h);

#endif
