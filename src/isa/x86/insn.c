/*
 * Questions about a decoded instruction that need more than a field.
 */
#include "isa/x86/decode.h"

static const char *const iclass_names[X86_I_COUNT] = {
    [X86_I_INVALID] = "INVALID",
#define X(name) [X86_I_##name] = #name,
#include "isa/x86/iclass.inc"
};

const char *x86_iclass_name(unsigned iclass)
{
    return iclass < X86_I_COUNT ? iclass_names[iclass] : "?";
}

static const char *const feature_names[X86_FEAT_COUNT] = {
#define X(name) [X86_FEAT_##name] = #name,
#include "isa/x86/feature.inc"
};

const char *x86_feature_name(unsigned feature)
{
    return feature < X86_FEAT_COUNT ? feature_names[feature] : "?";
}

uint8_t x86_flags_killed(const struct x86_insn *in)
{
    const struct x86_opdesc *desc = in->desc;
    bool unsure = desc->flags & X86_F_FLAGS_COND;

    if (in->nops > 0 && in->op[in->nops - 1].kind == X86_OP_IMM && unsure) {
        /* A shift by a constant writes flags unless the masked count is 0. */
        unsure = (in->imm & (in->opsize == 8 ? 63 : 31)) == 0;
    } else if (desc->flags & X86_F_STRING) {
        unsure = in->prefixes & (X86_P_REP | X86_P_REPNE);
    }
    return unsure ? 0 : (desc->flags_write | desc->flags_undef) & ~desc->flags_read;
}
