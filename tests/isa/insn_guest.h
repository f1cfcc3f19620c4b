/*
 * The defendant: runs cases at CPL 3 of a small machine on one of the engines.
 */
#ifndef TESTS_ISA_INSN_GUEST_H
#define TESTS_ISA_INSN_GUEST_H

#include "insn_case.h"

struct insn_guest;

struct engine_ops;

/* NULL with a message on stderr when it cannot be made. */
struct insn_guest *insn_guest_create(const struct engine_ops *engine);
void insn_guest_destroy(struct insn_guest *g);
/* Start of a batch: the data area becomes the pristine one. */
void insn_guest_begin(struct insn_guest *g, const struct insn_batch *b);
/* Run case `i` of `b`. */
void insn_guest_run(struct insn_guest *g, const struct insn_batch *b, uint32_t i,
                    struct insn_end *end);
/* Does the guest's CPUID offer what `insn` needs? */
bool insn_guest_offers(const struct insn_guest *g, const struct x86_insn *insn);

#endif
