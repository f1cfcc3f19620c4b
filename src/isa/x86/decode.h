/*
 * The x86 instruction decoder. Pure: no state, no guest memory, safe on any thread.
 */
#ifndef ISA_X86_DECODE_H
#define ISA_X86_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "isa/x86/insn.h"

enum x86_decode_error {
    X86_D_SHORT = 1, /* `avail` bytes do not hold the whole instruction: fetch more and retry */
    X86_D_UD,        /* no such instruction: #UD */
    X86_D_GP,        /* longer than 15 bytes: #GP(0) */
};

/*
 * Decodes the instruction at bytes[0]. Never reads bytes[avail] or beyond. Returns 0 or a negative
 * enum x86_decode_error; *out is unspecified then. An instruction that is invalid whatever follows
 * is -X86_D_UD even if it ends past `avail`, so a fetch never faults on a page it need not touch.
 * Where Intel and AMD differ (66 before a near branch in 64-bit mode) Intel is followed.
 */
int x86_decode(struct x86_insn *out, const uint8_t *bytes, size_t avail, enum x86_mode mode)
    __attribute__((warn_unused_result));

/* The iclass's name as in iclass.inc, in capitals; "?" when out of range. Static storage. */
const char *x86_iclass_name(unsigned iclass);

/* The feature's name as in feature.inc; "?" when out of range. Static storage. */
const char *x86_feature_name(unsigned feature);

#endif
