/*
 * Where x86_decode() and Zydis differ on purpose, and how their names map: everything the oracle
 * excuses is here.
 */
#include <string.h>

#include "decode_judge.h"

/* Whether the blank-separated list has the name. */
static bool listed(const char *names, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = names; (p = strstr(p, name)); p += n) {
        if ((p == names || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
            return true;
    }
    return false;
}

/* Extensions no guest is offered: our decoder says #UD. */
static const ZydisISASet not_offered[] = {
    ZYDIS_ISA_SET_AMD3DNOW,
    ZYDIS_ISA_SET_AMD_INVLPGB,
    ZYDIS_ISA_SET_AMX_BF16,
    ZYDIS_ISA_SET_AMX_INT8,
    ZYDIS_ISA_SET_AMX_TILE,
    ZYDIS_ISA_SET_AVX_GFNI,
    ZYDIS_ISA_SET_AVX_VNNI,
    ZYDIS_ISA_SET_CET,
    ZYDIS_ISA_SET_VTX,
    ZYDIS_ISA_SET_SVM,
    ZYDIS_ISA_SET_CLZERO,
    ZYDIS_ISA_SET_ENQCMD,
    ZYDIS_ISA_SET_FMA4,
    ZYDIS_ISA_SET_GFNI,
    ZYDIS_ISA_SET_HRESET,
    ZYDIS_ISA_SET_KEYLOCKER,
    ZYDIS_ISA_SET_KEYLOCKER_WIDE,
    ZYDIS_ISA_SET_LWP,
    ZYDIS_ISA_SET_MCOMMIT,
    ZYDIS_ISA_SET_MONITORX,
    ZYDIS_ISA_SET_MOVDIR,
    ZYDIS_ISA_SET_PADLOCK_ACE,
    ZYDIS_ISA_SET_PADLOCK_PHE,
    ZYDIS_ISA_SET_PADLOCK_PMM,
    ZYDIS_ISA_SET_PADLOCK_RNG,
    ZYDIS_ISA_SET_PCONFIG,
    ZYDIS_ISA_SET_PKU,
    ZYDIS_ISA_SET_PT,
    ZYDIS_ISA_SET_RDPRU,
    ZYDIS_ISA_SET_RTM,
    ZYDIS_ISA_SET_SERIALIZE,
    ZYDIS_ISA_SET_SGX,
    ZYDIS_ISA_SET_SGX_ENCLV,
    ZYDIS_ISA_SET_SMX,
    ZYDIS_ISA_SET_SNP,
    ZYDIS_ISA_SET_SSE4A,
    ZYDIS_ISA_SET_TBM,
    ZYDIS_ISA_SET_TDX,
    ZYDIS_ISA_SET_TSX_LDTRK,
    ZYDIS_ISA_SET_UINTR,
    ZYDIS_ISA_SET_VAES,
    ZYDIS_ISA_SET_VMFUNC,
    ZYDIS_ISA_SET_VPCLMULQDQ,
    ZYDIS_ISA_SET_WAITPKG,
    ZYDIS_ISA_SET_XOP,
};

bool difference_not_offered(const ZydisDecodedInstruction *z)
{
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
        (z->meta.isa_set >= ZYDIS_ISA_SET_AVX512BW_128 &&
         z->meta.isa_set <= ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_512) ||
        (z->meta.isa_set >= ZYDIS_ISA_SET_KNCE && z->meta.isa_set <= ZYDIS_ISA_SET_KNC_PF_HINT))
        return true;
    for (size_t i = 0; i < sizeof(not_offered) / sizeof(not_offered[0]); i++) {
        if (z->meta.isa_set == not_offered[i])
            return true;
    }
    return false;
}

/* [SDM 1 appendix A] and the instructions' pages say otherwise than Zydis, or the flags of the
 * system side are described at another level. */
bool difference_flags(const struct x86_insn *in, const ZydisDecodedInstruction *z)
{
    switch (in->iclass) {
    case X86_I_ROL: /* OF is defined for a count of 1, which only execution knows */
    case X86_I_ROR:
    case X86_I_RCL:
    case X86_I_RCR:
    case X86_I_SHL:
    case X86_I_SHR:
    case X86_I_SAR:
    case X86_I_SHLD:
    case X86_I_SHRD:
        return (in->desc->flags_write & ~X86_FL_OF) ==
               (uint8_t)((z->cpu_flags->modified & ~z->cpu_flags->undefined) & 0xff & ~X86_FL_OF);
    case X86_I_SBB:    /* defines AF */
    case X86_I_BEXTR:  /* clears CF and OF */
    case X86_I_VPTEST: /* clears OF, SF, AF, PF */
    case X86_I_VTESTPS:
    case X86_I_VTESTPD:
    case X86_I_SCAS: /* ZF is tested after the first iteration only: its own */
    case X86_I_CMPS:
    case X86_I_INT: /* push all flags, go to a handler */
    case X86_I_INT1:
    case X86_I_INT3:
    case X86_I_INTO:
    case X86_I_SYSCALL:
    case X86_I_VMCALL:
        return true;
    default:
        return false;
    }
}

/* Operands that Zydis shows otherwise and that mean nothing for execution. */
bool difference_operands(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_NOP: /* the second, unused operand of hints, or MPX' operands */
    case X86_I_ENDBR32:
    case X86_I_ENDBR64:
    case X86_I_FUCOMP: /* an implicit ST(0), unlike FUCOM */
    case X86_I_UD0:
    case X86_I_UD1:
        return true;
    default:
        return false;
    }
}

bool difference_memory_size(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_CLFLUSH: /* m8 in the manual, a whole line for Zydis */
    case X86_I_CLFLUSHOPT:
    case X86_I_CLWB:
        return true;
    case X86_I_MOVSXD: /* a word with 66 [SDM 2B MOVSXD; measured: reads two bytes] */
        return in->opsize == 2;
    default:
        return false;
    }
}

/* BSF and BSR leave their destination alone when the source is 0, so it is read. */
bool difference_access(const struct x86_insn *in)
{
    return in->iclass == X86_I_BSF || in->iclass == X86_I_BSR;
}

/* Zydis 4.0.0 adds REX.B to the absent base of an address of 32 bits in 64-bit mode. */
bool difference_base(const struct x86_insn *in)
{
    return in->mode == X86_MODE_64 && in->addrsize == 4 && in->has_sib && (in->sib & 7) == 5 &&
           in->modrm < 0x40 && in->base == X86_REG_NONE;
}

/* Operand size is not a notion of these, or 4 outside 64-bit mode [SDM 2A 2.3: VEX and GPR]. */
bool difference_opsize(const struct x86_insn *in)
{
    /* 66 changes nothing here: insn_test runs them on the host, and 32 bits move. */
    bool fsgsbase = in->iclass == X86_I_RDFSBASE || in->iclass == X86_I_RDGSBASE ||
                    in->iclass == X86_I_WRFSBASE || in->iclass == X86_I_WRGSBASE;

    if (fsgsbase && (in->prefixes & X86_P_OPSIZE))
        return true;
    return in->iclass == X86_I_INVLPG || in->iclass == X86_I_NOP || in->iclass == X86_I_CLWB ||
           in->iclass == X86_I_CLFLUSHOPT || (in->nops == 0 && in->opsize == 1) ||
           in->iclass == X86_I_INS || in->iclass == X86_I_OUTS || in->iclass == X86_I_AAM ||
           in->iclass == X86_I_AAD || (in->prefixes & X86_P_VEX);
}

bool difference_attributes(const struct x86_insn *in, const ZydisDecodedInstruction *z)
{
    switch (in->iclass) {
    case X86_I_PCMPISTRM: /* type 4, but the pages say: no alignment */
    case X86_I_PCMPISTRI:
    case X86_I_PCMPESTRM:
    case X86_I_PCMPESTRI:
    case X86_I_MOVUPS:
    case X86_I_MOVUPD:
    case X86_I_MOVDQU:
    case X86_I_LDDQU:
        return true;
    case X86_I_LGDT: /* privileged as LIDT is */
        return true;
    default:
        (void)z;
        return false;
    }
}

/* Zydis' ISA sets are finer, coarser or older than CPUID's bits; the rest has the same name. */
static const struct {
    enum x86_feature feature;
    const char *sets;
} features[] = {
    {X86_FEAT_BASE, "I86 I186 I386 I486 I486REAL I286REAL I286PROTECTED PENTIUMREAL LONGMODE PPRO "
                    "RDPMC PAUSE FAT_NOP PREFETCH_NOP"},
    {X86_FEAT_FPU, "X87"},
    {X86_FEAT_CMOV, "PPRO FCMOV"},
    {X86_FEAT_CX8, "PENTIUMREAL"},
    {X86_FEAT_CX16, "CMPXCHG16B"},
    {X86_FEAT_TSC, "PENTIUMREAL"},
    {X86_FEAT_MSR, "PENTIUMREAL"},
    {X86_FEAT_SEP, "PPRO"},
    {X86_FEAT_SYSCALL, "LONGMODE AMD"},
    {X86_FEAT_LAHF_LM, "LAHF"},
    {X86_FEAT_FXSR, "FXSAVE FXSAVE64"},
    {X86_FEAT_CLFLUSH, "CLFSH"},
    {X86_FEAT_PREFETCHW, "PREFETCH_NOP PREFETCHWT1"},
    {X86_FEAT_FSGSBASE, "RDWRFSGS"},
    {X86_FEAT_ADX, "ADOX_ADCX"},
    {X86_FEAT_VMX, "VTX"},
    {X86_FEAT_MMX, "PENTIUMMMX"},
    {X86_FEAT_SSE, "SSEMXCSR SSE_PREFETCH PENTIUMMMX"}, /* MMX forms that came with SSE */
    {X86_FEAT_SSE2, "SSE2MMX"},
    {X86_FEAT_SSE3, "SSE3X87"},
    {X86_FEAT_SSSE3, "SSSE3MMX"},
    {X86_FEAT_SSE41, "SSE4"},
    {X86_FEAT_AES, "AVXAES"},
    {X86_FEAT_PCLMUL, "PCLMULQDQ AVX"},
    {X86_FEAT_AVX2, "AVX2GATHER"},
};

bool difference_feature(const struct x86_insn *in, const ZydisDecodedInstruction *z)
{
    const char *name = ZydisISASetGetString(z->meta.isa_set);

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        if (features[i].feature == in->desc->feature && listed(features[i].sets, name))
            return true;
    }
    return false;
}

/* Valid for us, invalid for Zydis: VMCALL has no NP in the manual, and the host exits for it with
 * any prefix. */
bool difference_undocumented(const struct x86_insn *in)
{
    return in->iclass == X86_I_VMCALL &&
           (in->prefixes & (X86_P_OPSIZE | X86_P_REP | X86_P_REPNE)) != 0;
}

/* Zydis' names for what is one iclass here; with a condition code the name is picked by it. */
static const struct {
    enum x86_iclass iclass;
    const char *names;
} aliases[] = {
    {X86_I_MOVS, "MOVSB MOVSW MOVSD MOVSQ"},
    {X86_I_CMPS, "CMPSB CMPSW CMPSD CMPSQ"},
    {X86_I_SCAS, "SCASB SCASW SCASD SCASQ"},
    {X86_I_LODS, "LODSB LODSW LODSD LODSQ"},
    {X86_I_STOS, "STOSB STOSW STOSD STOSQ"},
    {X86_I_INS, "INSB INSW INSD"},
    {X86_I_OUTS, "OUTSB OUTSW OUTSD"},
    {X86_I_CBW, "CBW CWDE CDQE"},
    {X86_I_CWD, "CWD CDQ CQO"},
    {X86_I_PUSHA, "PUSHA PUSHAD"},
    {X86_I_POPA, "POPA POPAD"},
    {X86_I_PUSHF, "PUSHF PUSHFD PUSHFQ"},
    {X86_I_POPF, "POPF POPFD POPFQ"},
    {X86_I_IRET, "IRET IRETD IRETQ"},
    {X86_I_JRCXZ, "JCXZ JECXZ JRCXZ"},
    {X86_I_FXSAVE, "FXSAVE FXSAVE64"},
    {X86_I_FXRSTOR, "FXRSTOR FXRSTOR64"},
    {X86_I_XSAVE, "XSAVE XSAVE64"},
    {X86_I_XSAVEC, "XSAVEC XSAVEC64"},
    {X86_I_XSAVES, "XSAVES XSAVES64"},
    {X86_I_XSAVEOPT, "XSAVEOPT XSAVEOPT64"},
    {X86_I_XRSTOR, "XRSTOR XRSTOR64"},
    {X86_I_XRSTORS, "XRSTORS XRSTORS64"},
    {X86_I_MOV_CR, "MOV"},
    {X86_I_MOV_DR, "MOV"},
    {X86_I_MOV_SEG, "MOV"},
    {X86_I_PUSH_SEG, "PUSH"},
    {X86_I_POP_SEG, "POP"},
    {X86_I_CALLF, "CALL"},
    {X86_I_JMPF, "JMP"},
    {X86_I_RETF, "RET"},
    {X86_I_ENDBR32, "NOP"}, /* Zydis with its CET mode off */
    {X86_I_ENDBR64, "NOP"},
    {X86_I_FSTP, "FSTP FSTPNCE"},
    {X86_I_FENI, "FENI8087_NOP"},
    {X86_I_FDISI, "FDISI8087_NOP"},
    {X86_I_FSETPM, "FSETPM287_NOP"},
};

static const char *const conditions[16] = {
    "O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE",
};

static bool condition_matches(const char *stem, unsigned opcode, const char *name)
{
    size_t n = strlen(stem);

    return strncmp(stem, name, n) == 0 && strcmp(name + n, conditions[opcode & 15]) == 0;
}

static void upper(char *out, size_t size, const char *in)
{
    size_t i;

    for (i = 0; i + 1 < size && in[i]; i++)
        out[i] = in[i] >= 'a' && in[i] <= 'z' ? in[i] - 'a' + 'A' : in[i];
    out[i] = 0;
}

bool mnemonic_matches(const struct x86_insn *in, const ZydisDecodedInstruction *z)
{
    char name[40];

    upper(name, sizeof(name), ZydisMnemonicGetString(z->mnemonic));
    switch (in->iclass) {
    case X86_I_JCC:
        return condition_matches("J", in->opcode, name);
    case X86_I_SETCC:
        return condition_matches("SET", in->opcode, name);
    case X86_I_CMOVCC:
        return condition_matches("CMOV", in->opcode, name);
    default:
        break;
    }
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (aliases[i].iclass == in->iclass)
            return listed(aliases[i].names, name);
    }
    return strcmp(x86_iclass_name(in->iclass), name) == 0;
}
