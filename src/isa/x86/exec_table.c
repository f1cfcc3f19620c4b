/*
 * Instruction class to exec set. Integer and system classes are listed in iclass.inc; the vector
 * and x87 classes run as native thunks (native.h) and have no entry here.
 */
#include "isa/x86/exec_table.h"
#include "isa/x86/exec.h"

#define XF(NAME, r, w, u) X(NAME)
#define X(NAME)           DECLARE_EXEC(NAME)
#include "isa/x86/iclass_base.inc"
#undef X

static const struct x86_exec *const table[X86_I_COUNT] = {
#define X(NAME) [X86_I_##NAME] = &x86_exec_##NAME,
#include "isa/x86/iclass_base.inc"
};

const struct x86_exec *x86_exec_of(unsigned iclass)
{
    return iclass < X86_I_COUNT ? table[iclass] : NULL;
}
