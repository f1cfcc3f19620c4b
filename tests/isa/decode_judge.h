/*
 * Judges one x86_decode() result by Zydis: validity, length, mnemonic, operands, EFLAGS, feature.
 */
#ifndef TESTS_DECODE_JUDGE_H
#define TESTS_DECODE_JUDGE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "isa/x86/decode.h"

struct judge {
    ZydisDecoder zydis[3]; /* 16, 32, 64 */
    uint64_t compared, valid, excused, failed;
    unsigned report_max; /* differences still to be printed */
    bool seen[65536];    /* by hash: kinds of difference printed already */
};

void judge_init(struct judge *j);

/* Decodes with both and compares; prints and counts a difference. Returns the number of bytes a
 * sweep should advance: the length, or 1. */
unsigned judge_bytes(struct judge *j, const uint8_t *bytes, size_t avail, enum x86_mode mode);

/* Differences that are meant (decode_differences.c). */
bool difference_not_offered(const ZydisDecodedInstruction *z);
bool difference_undocumented(const struct x86_insn *in);
bool difference_flags(const struct x86_insn *in, const ZydisDecodedInstruction *z);
bool difference_operands(const struct x86_insn *in);
bool difference_memory_size(const struct x86_insn *in);
bool difference_access(const struct x86_insn *in);
bool difference_base(const struct x86_insn *in);
bool difference_opsize(const struct x86_insn *in);
bool difference_feature(const struct x86_insn *in, const ZydisDecodedInstruction *z);
bool difference_attributes(const struct x86_insn *in, const ZydisDecodedInstruction *z);
bool mnemonic_matches(const struct x86_insn *in, const ZydisDecodedInstruction *z);

#endif
