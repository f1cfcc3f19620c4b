/*
 * The opcode maps as constant data. Lines are in the .inc files, shaped like the manual's maps; two
 * lines for one slot are a compiler warning (-Woverride-init), so overlap cannot slip in.
 */
#include "isa/x86/opcode_names.inc"

/* The EFLAGS effects of each iclass, as constants for the table lines: FR_ADD, FW_ADD, FU_ADD. */
enum {
    CF = X86_FL_CF,
    PF = X86_FL_PF,
    AF = X86_FL_AF,
    ZF = X86_FL_ZF,
    SF = X86_FL_SF,
    OF = X86_FL_OF,
    DF = X86_FL_DF,
    SYS = X86_FL_SYS,
    ALL6 = CF | PF | AF | ZF | SF | OF,
    EVERY = ALL6 | DF | SYS,
};
enum {
#define X(name)                      FR_##name = 0, FW_##name = 0, FU_##name = 0,
#define XF(name, read, write, undef) FR_##name = read, FW_##name = write, FU_##name = undef,
#include "isa/x86/iclass.inc"
};
#undef XF

#include "isa/x86/table_group.inc"
#include "isa/x86/table_x87.inc"

#include "isa/x86/table_onebyte.inc"

#include "isa/x86/table_0f.inc"
#include "isa/x86/table_0f38.inc"
#include "isa/x86/table_0f3a.inc"

#include "isa/x86/table_vex_0f.inc"
#include "isa/x86/table_vex_0f38.inc"
#include "isa/x86/table_vex_0f3a.inc"
