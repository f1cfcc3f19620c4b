/*
 * Judging and reporting: which differences count, how a failure is told so that it can be run
 * again, and what was covered.
 */
#ifndef TESTS_ISA_INSN_REPORT_H
#define TESTS_ISA_INSN_REPORT_H

#include <stdio.h>

#include "insn_case.h"
#include "insn_forms.h"

struct class_count {
    uint32_t forms, cases, faults, failures;
};

struct report {
    struct class_count class[X86_I_COUNT]; /* X86_I_INVALID: undefined opcodes */
    uint64_t cases, failures;
    unsigned printed;
};

void report_form(struct report *rep, const struct insn_code *code);
void report_case(FILE *f, const struct form *form, const struct insn_batch *b,
                 const struct insn_case *t);
/* Compare the two ends of a case; count and print a difference. */
void report_judge(struct report *rep, const struct form *form, const struct insn_batch *b,
                  const struct insn_case *t, const struct insn_end *host,
                  const struct insn_end *guest);
void report_summary(const struct report *rep);

#endif
