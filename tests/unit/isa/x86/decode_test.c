/*
 * The decoder's edge cases by hand, each for a rule of the manual that random bytes seldom meet or
 * an oracle cannot judge. The bulk is tests/isa/decode_oracle.c's.
 */
#include "unit/cmocka_all.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isa/x86/decode.h"

#define BYTES(...)        ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define DECODE(mode, ...) decode_ok(X86_MODE_##mode, BYTES(__VA_ARGS__))
#define FAILS(error, mode, ...)                                                                    \
    assert_int_equal(decode(NULL, X86_MODE_##mode, BYTES(__VA_ARGS__)), -X86_D_##error)

/* From a heap block of exactly that size, so that a sanitizer sees a byte too far. */
static int decode(struct x86_insn *out, enum x86_mode mode, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = test_malloc(size + (size == 0));
    struct x86_insn in;
    int r;

    memcpy(copy, bytes, size);
    r = x86_decode(&in, copy, size, mode);
    test_free(copy);
    if (out)
        *out = in;
    return r;
}

/* Decodes bytes that are one whole instruction. */
static struct x86_insn decode_ok(enum x86_mode mode, const uint8_t *bytes, size_t size)
{
    struct x86_insn in;

    assert_int_equal(decode(&in, mode, bytes, size), 0);
    assert_int_equal(in.len, size);
    return in;
}

static void operand_is(const struct x86_insn *in, unsigned i, enum x86_opkind kind, unsigned reg,
                       unsigned size)
{
    assert_true(i < in->nops);
    assert_int_equal(in->op[i].kind, kind);
    assert_int_equal(in->op[i].reg, reg);
    assert_int_equal(in->op[i].size, size);
}

static void short_input_is_short(void **state)
{
    static const uint8_t mov[] = {0x66, 0x4d, 0xc7, 0x84, 0x88, 1, 2, 3, 4, 5, 6, 7, 8};

    (void)state;
    for (size_t n = 0; n < sizeof(mov); n++)
        assert_int_equal(decode(NULL, X86_MODE_64, mov, n), -X86_D_SHORT);
    assert_int_equal(decode(NULL, X86_MODE_64, mov, sizeof(mov)), 0);
    FAILS(SHORT, 64, 0x0f, 0x00); /* the group needs ModRM to know */
    FAILS(SHORT, 64, 0xc4, 0xe2);
    FAILS(SHORT, 32, 0xc5); /* LDS or VEX */
    FAILS(UD, 64, 0x06);    /* invalid whatever follows */
    FAILS(UD, 64, 0x0f, 0x04);
    FAILS(SHORT, 64, 0x66, 0x66);
}

static void fifteen_bytes_at_most(void **state)
{
    uint8_t bytes[32];
    struct x86_insn in;

    (void)state;
    memset(bytes, 0x66, sizeof(bytes));
    assert_int_equal(decode(NULL, X86_MODE_64, bytes, 14), -X86_D_SHORT);
    assert_int_equal(decode(NULL, X86_MODE_64, bytes, 15), -X86_D_GP);
    assert_int_equal(decode(NULL, X86_MODE_64, bytes, 32), -X86_D_GP);
    bytes[14] = 0x90;
    assert_int_equal(decode(&in, X86_MODE_64, bytes, 32), 0);
    assert_int_equal(in.len, 15);
    /* 13 prefixes and ADD r/m16, imm16 with displacement: 18 bytes */
    bytes[13] = 0x81;
    bytes[14] = 0x40;
    assert_int_equal(decode(NULL, X86_MODE_64, bytes, 32), -X86_D_GP);
    assert_int_equal(decode(NULL, X86_MODE_64, bytes, 14), -X86_D_SHORT);
}

/* The same result whether the bytes end where the instruction does or much follows, up to a page's
 * end. */
static void never_reads_beyond(void **state)
{
    static const uint8_t mov[] = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
    for (size_t avail = 1; avail < 64; avail++) {
        uint8_t *at = p + page - avail;
        struct x86_insn in;

        memset(at, 0x90, avail);
        memcpy(at, mov, avail < sizeof(mov) ? avail : sizeof(mov));
        assert_int_equal(x86_decode(&in, at, avail, X86_MODE_64),
                         avail < sizeof(mov) ? -X86_D_SHORT : 0);
        if (avail >= sizeof(mov))
            assert_true(in.imm == 0x0807060504030201);
    }
    munmap(p, 2 * page);
}

static void rex_must_be_last(void **state)
{
    struct x86_insn in = DECODE(64, 0x48, 0x66, 0x01, 0xc8);

    (void)state;
    operand_is(&in, 0, X86_OP_GPR, 0, 2);
    assert_int_equal(in.rex, 0);
    in = DECODE(64, 0x66, 0x48, 0x01, 0xc8); /* W beats 66 */
    operand_is(&in, 0, X86_OP_GPR, 0, 8);
    in = DECODE(64, 0x41, 0x48, 0x01, 0xc8); /* the last of two */
    operand_is(&in, 0, X86_OP_GPR, 0, 8);
    in = DECODE(32, 0x48); /* DEC EAX */
    assert_int_equal(in.iclass, X86_I_DEC);
}

static void high_byte_registers(void **state)
{
    struct x86_insn in = DECODE(64, 0x88, 0xe5); /* MOV CH, AH */

    (void)state;
    operand_is(&in, 0, X86_OP_GPR, X86_GPR_CH, 1);
    operand_is(&in, 1, X86_OP_GPR, X86_GPR_AH, 1);
    in = DECODE(64, 0x40, 0x88, 0xe5); /* MOV BPL, SPL */
    operand_is(&in, 0, X86_OP_GPR, 5, 1);
    operand_is(&in, 1, X86_OP_GPR, 4, 1);
    in = DECODE(64, 0x0f, 0xb6, 0xc7); /* MOVZX EAX, BH: the register's size decides */
    operand_is(&in, 0, X86_OP_GPR, 0, 4);
    operand_is(&in, 1, X86_OP_GPR, X86_GPR_BH, 1);
    in = DECODE(64, 0xb4, 0x12); /* MOV AH, 12h */
    operand_is(&in, 0, X86_OP_GPR, X86_GPR_AH, 1);
}

static void memory_forms(void **state)
{
    struct x86_insn in = DECODE(64, 0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff);

    (void)state;
    assert_int_equal(in.base, X86_REG_RIP);
    assert_int_equal(in.disp, -4);
    assert_int_equal(in.disp_off, 2);
    in = DECODE(32, 0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff);
    assert_int_equal(in.base, X86_REG_NONE);
    in = DECODE(64, 0x8b, 0x04, 0x24); /* [RSP] */
    assert_int_equal(in.base, 4);
    assert_int_equal(in.index, X86_REG_NONE);
    assert_int_equal(in.seg, X86_SEG_SS);
    in = DECODE(64, 0x42, 0x8b, 0x04, 0x24); /* [RSP+R12]: X makes 4 an index */
    assert_int_equal(in.index, 12);
    in = DECODE(64, 0x41, 0x8b, 0x04, 0x24); /* [R12] */
    assert_int_equal(in.base, 12);
    assert_int_equal(in.seg, X86_SEG_DS);
    in = DECODE(64, 0x41, 0x8b, 0x45, 0x00); /* [R13+0] */
    assert_int_equal(in.base, 13);
    assert_int_equal(in.disp_size, 1);
    /* No base, whatever REX.B: also with 67, where Zydis 4.0.0 errs. */
    in = DECODE(64, 0x67, 0x41, 0x8b, 0x04, 0x8d, 0x78, 0x56, 0x34, 0x12);
    assert_int_equal(in.base, X86_REG_NONE);
    assert_int_equal(in.index, 1);
    assert_int_equal(in.scale, 2);
    assert_int_equal(in.disp, 0x12345678);
    assert_int_equal(in.addrsize, 4);
    in = DECODE(16, 0x8b, 0x42, 0x80); /* [BP+SI-80h] */
    assert_int_equal(in.base, 5);
    assert_int_equal(in.index, 6);
    assert_int_equal(in.disp, -128);
    assert_int_equal(in.seg, X86_SEG_SS);
    in = DECODE(16, 0x8b, 0x0e, 0x34, 0x12); /* [1234h] */
    assert_int_equal(in.base, X86_REG_NONE);
    assert_int_equal(in.seg, X86_SEG_DS);
}

static void absolute_addresses(void **state)
{
    struct x86_insn in = DECODE(64, 0xa1, 1, 2, 3, 4, 5, 6, 7, 0x88);

    (void)state;
    assert_true((uint64_t)in.disp == 0x8807060504030201);
    assert_int_equal(in.mem, 1);
    assert_int_equal(in.disp_size, 8);
    in = DECODE(64, 0x67, 0xa2, 1, 2, 3, 0x84);
    assert_true(in.disp == 0x84030201);
    assert_int_equal(in.mem, 0);
    assert_int_equal(in.opsize, 1);
}

static void segment_overrides(void **state)
{
    struct x86_insn in = DECODE(64, 0x65, 0x3e, 0x8b, 0x45, 0x00); /* DS counts for nothing */

    (void)state;
    assert_int_equal(in.seg, X86_SEG_GS);
    in = DECODE(64, 0x36, 0x8b, 0x03);
    assert_int_equal(in.seg, X86_SEG_DS);
    assert_false(in.prefixes & X86_P_SEG);
    in = DECODE(32, 0x65, 0x3e, 0x8b, 0x45, 0x00); /* the last wins */
    assert_int_equal(in.seg, X86_SEG_DS);
    in = DECODE(32, 0x2e, 0xa4); /* MOVS: source segment */
    assert_int_equal(in.seg, X86_SEG_CS);
    assert_int_equal(in.nops, 0);
}

static void lock_rules(void **state)
{
    struct x86_insn in = DECODE(64, 0xf0, 0x01, 0x03);

    (void)state;
    assert_true(in.prefixes & X86_P_LOCK);
    DECODE(64, 0xf0, 0x0f, 0xb1, 0x0b);
    DECODE(64, 0xf0, 0x48, 0x0f, 0xc7, 0x0b); /* CMPXCHG16B */
    DECODE(64, 0xf0, 0x87, 0x03);
    FAILS(UD, 64, 0xf0, 0x01, 0xc3);       /* register destination */
    FAILS(UD, 64, 0xf0, 0x03, 0x03);       /* memory source */
    FAILS(UD, 64, 0xf0, 0x39, 0x03);       /* CMP writes nothing */
    FAILS(UD, 64, 0xf0, 0x0f, 0xa3, 0x03); /* nor does BT */
    FAILS(UD, 64, 0xf0, 0x89, 0x03);
    FAILS(UD, 64, 0xf0, 0x90);
}

static void mandatory_prefixes(void **state)
{
    struct x86_insn in = DECODE(64, 0x66, 0xf2, 0x0f, 0x10, 0x03); /* F2 beats 66 */

    (void)state;
    assert_int_equal(in.iclass, X86_I_MOVSD);
    in = DECODE(64, 0xf3, 0xf2, 0x0f, 0x10, 0x03); /* the last of F2, F3 */
    assert_int_equal(in.iclass, X86_I_MOVSD);
    in = DECODE(64, 0x66, 0xf3, 0x0f, 0xb8, 0xc3); /* POPCNT AX, BX */
    assert_int_equal(in.iclass, X86_I_POPCNT);
    operand_is(&in, 0, X86_OP_GPR, 0, 2);
    in = DECODE(64, 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc3); /* CRC32 EAX, BX */
    operand_is(&in, 0, X86_OP_GPR, 0, 4);
    operand_is(&in, 1, X86_OP_GPR, 3, 2);
    in = DECODE(64, 0x66, 0x0f, 0x38, 0xf0, 0x03); /* MOVBE AX, [RBX] */
    assert_int_equal(in.iclass, X86_I_MOVBE);
    operand_is(&in, 0, X86_OP_GPR, 0, 2);
    in = DECODE(64, 0xf3, 0x0f, 0xbc, 0xc3);
    assert_int_equal(in.iclass, X86_I_TZCNT);
    FAILS(UD, 64, 0x66, 0x0f, 0x77);       /* EMMS */
    FAILS(UD, 64, 0xf3, 0x0f, 0x28, 0xc0); /* MOVAPS */
    FAILS(UD, 64, 0x0f, 0xb8, 0xc3);
}

static void nop_pause_xchg(void **state)
{
    (void)state;
    assert_int_equal(DECODE(64, 0x90).iclass, X86_I_NOP);
    assert_int_equal(DECODE(64, 0xf3, 0x90).iclass, X86_I_PAUSE);
    assert_int_equal(DECODE(64, 0x41, 0x90).iclass, X86_I_XCHG); /* R8 */
    assert_int_equal(DECODE(64, 0xf3, 0x41, 0x90).iclass, X86_I_PAUSE);
    assert_int_equal(DECODE(64, 0x48, 0x90).iclass, X86_I_NOP);
    assert_int_equal(DECODE(64, 0xf3, 0x0f, 0x1e, 0xfa).iclass, X86_I_ENDBR64);
    assert_int_equal(DECODE(64, 0x0f, 0x1e, 0xfa).iclass, X86_I_NOP);
}

static void branches(void **state)
{
    struct x86_insn in = DECODE(64, 0x66, 0xe8, 0xfb, 0xff, 0xff, 0xff); /* 66 is ignored (Intel) */

    (void)state;
    assert_int_equal(in.opsize, 8);
    assert_int_equal(in.op[0].kind, X86_OP_REL);
    assert_true((int64_t)in.imm == -5);
    in = DECODE(32, 0x66, 0xe8, 0xfb, 0xff);
    assert_int_equal(in.opsize, 2);
    assert_true((int64_t)in.imm == -5);
    in = DECODE(32, 0x66, 0xea, 0x34, 0x12, 0x78, 0x56); /* JMP 5678h:1234h */
    assert_int_equal(in.op[0].kind, X86_OP_FAR);
    assert_int_equal(in.imm, 0x1234);
    assert_int_equal(in.imm2, 0x5678);
    in = DECODE(64, 0x67, 0xe3, 0x00);
    assert_int_equal(in.addrsize, 4);
    in = DECODE(64, 0xc8, 0x10, 0x00, 0x1f);
    assert_int_equal(in.imm, 0x10);
    assert_int_equal(in.imm2, 0x1f);
    FAILS(UD, 64, 0xea, 1, 2, 3, 4, 5, 6);
    FAILS(UD, 64, 0xff, 0xd8); /* CALLF needs memory */
}

static void stack_sizes(void **state)
{
    (void)state;
    assert_int_equal(DECODE(64, 0x50).op[0].size, 8);
    assert_int_equal(DECODE(64, 0x66, 0x50).op[0].size, 2);
    assert_int_equal(DECODE(64, 0x6a, 0xff).opsize, 8);
    assert_true(DECODE(64, 0x6a, 0xff).imm == UINT64_MAX);
    assert_int_equal(DECODE(64, 0x68, 1, 2, 3, 4).imm_size, 4);
    assert_int_equal(DECODE(64, 0x9d).opsize, 8);
    assert_int_equal(DECODE(64, 0xcf).opsize, 4);
    assert_int_equal(DECODE(64, 0x48, 0xcf).opsize, 8);
    assert_int_equal(DECODE(16, 0x66, 0x50).op[0].size, 4);
    FAILS(UD, 64, 0x60);
    FAILS(UD, 64, 0x1e);
}

static void immediates(void **state)
{
    (void)state;
    assert_true(DECODE(64, 0x48, 0x05, 0xff, 0xff, 0xff, 0xff).imm == UINT64_MAX);
    assert_true(DECODE(64, 0x83, 0xc0, 0x80).imm == (uint64_t)-128);
    assert_true(DECODE(64, 0xc1, 0xe0, 0x80).imm == 0x80);
    assert_true(DECODE(64, 0xcd, 0x80).imm == 0x80);
    assert_true(DECODE(64, 0xb8, 0xff, 0xff, 0xff, 0xff).imm == 0xffffffff);
    assert_true(DECODE(64, 0xd1, 0xe0).imm == 1); /* SHL EAX, 1 */
    assert_int_equal(DECODE(64, 0xd1, 0xe0).imm_size, 0);
}

static void system_registers(void **state)
{
    struct x86_insn in = DECODE(64, 0x44, 0x0f, 0x20, 0xc0); /* MOV RAX, CR8 */

    (void)state;
    assert_int_equal(in.iclass, X86_I_MOV_CR);
    operand_is(&in, 0, X86_OP_GPR, 0, 8);
    operand_is(&in, 1, X86_OP_CR, 8, 8);
    in = DECODE(64, 0x0f, 0x22, 0x18); /* mod counts for nothing: MOV CR3, RAX */
    assert_false(x86_is_mem(&in));
    operand_is(&in, 0, X86_OP_CR, 3, 8);
    FAILS(UD, 64, 0x0f, 0x20, 0xc8);       /* CR1 */
    FAILS(UD, 64, 0x44, 0x0f, 0x21, 0xc0); /* DR8 */
    FAILS(UD, 64, 0x8e, 0xc8);             /* MOV CS, AX */
    FAILS(UD, 64, 0x8e, 0xf0);             /* no such segment */
    DECODE(64, 0x44, 0x8e, 0xd8);          /* REX.R is ignored, as the host does */
}

static void vex_rules(void **state)
{
    struct x86_insn in = DECODE(64, 0xc5, 0xf4, 0x58, 0xc2); /* VADDPS YMM0, YMM1, YMM2 */

    (void)state;
    operand_is(&in, 1, X86_OP_YMM, 1, 32);
    assert_int_equal(in.opcode_off, 2);
    in = DECODE(32, 0xc5, 0xf0, 0x58, 0xc2);
    operand_is(&in, 1, X86_OP_XMM, 1, 16);
    in = DECODE(32, 0xc5, 0x02); /* LDS EAX, [EDX] */
    assert_int_equal(in.iclass, X86_I_LDS);
    in = DECODE(64, 0xc4, 0xc3, 0x71, 0x4c, 0xc1, 0x30); /* VPBLENDVB XMM0, XMM1, XMM9, XMM3 */
    operand_is(&in, 3, X86_OP_XMM, 3, 16);
    in = DECODE(64, 0xc4, 0xe2, 0xf8, 0xf2, 0xc3); /* ANDN RAX, RAX, RBX */
    operand_is(&in, 2, X86_OP_GPR, 3, 8);
    in = DECODE(32, 0xc4, 0xe2, 0xf8, 0xf2, 0xc3); /* W is ignored */
    operand_is(&in, 2, X86_OP_GPR, 3, 4);
    FAILS(UD, 64, 0x66, 0xc5, 0xf0, 0x58, 0xc2);
    FAILS(UD, 64, 0xf3, 0xc5, 0xf0, 0x58, 0xc2);
    FAILS(UD, 64, 0xf0, 0xc5, 0xf0, 0x58, 0xc2);
    FAILS(UD, 64, 0x40, 0xc5, 0xf0, 0x58, 0xc2);
    DECODE(64, 0x40, 0x2e, 0xc5, 0xf0, 0x58, 0xc2);       /* a REX that does not count */
    FAILS(UD, 64, 0xc5, 0xf0, 0x28, 0xc1);                /* VMOVAPS has no vvvv */
    FAILS(UD, 64, 0xc4, 0xe2, 0x7d, 0xdb, 0xc1);          /* VAESIMC is 128 bits only */
    FAILS(UD, 64, 0xc4, 0xe4, 0x70, 0x58, 0xc2);          /* map 4 */
    FAILS(UD, 64, 0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2, 0); /* EVEX */
    FAILS(UD, 32, 0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2, 0);
}

static void gathers(void **state)
{
    struct x86_insn in = DECODE(64, 0xc4, 0xe2, 0xf5, 0x92, 0x04, 0x52); /* VGATHERDPD */

    (void)state;
    assert_int_equal(in.iclass, X86_I_VGATHERDPD);
    assert_int_equal(in.vsib, 16);
    assert_int_equal(in.index, 2);
    assert_int_equal(in.op[1].size, 8);
    in = DECODE(64, 0xc4, 0xe2, 0x75, 0x93, 0x04, 0x62); /* VGATHERQPS, index YMM4 */
    assert_int_equal(in.vsib, 32);
    assert_int_equal(in.index, 4);
    operand_is(&in, 0, X86_OP_XMM, 0, 16);
    FAILS(UD, 64, 0xc4, 0xe2, 0xf5, 0x92, 0x04, 0x4a); /* mask is index */
    FAILS(UD, 64, 0xc4, 0xe2, 0xf5, 0x92, 0x02);       /* no SIB */
}

static void flags_for_liveness(void **state)
{
    struct x86_insn in = DECODE(64, 0x01, 0xc8);
    const uint8_t all = X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF | X86_FL_OF;

    (void)state;
    assert_int_equal(x86_flags_killed(&in), all);
    in = DECODE(64, 0x11, 0xc8); /* ADC reads CF */
    assert_int_equal(x86_flags_killed(&in), all & ~X86_FL_CF);
    in = DECODE(64, 0xc1, 0xe0, 0x00); /* SHL by 0 */
    assert_int_equal(x86_flags_killed(&in), 0);
    in = DECODE(64, 0xc1, 0xe0, 0x20); /* and by 32, masked to 0 */
    assert_int_equal(x86_flags_killed(&in), 0);
    in = DECODE(64, 0x48, 0xc1, 0xe0, 0x20);
    assert_int_equal(x86_flags_killed(&in), all);
    in = DECODE(64, 0xd1, 0xe0);
    assert_int_equal(x86_flags_killed(&in), all);
    in = DECODE(64, 0xd3, 0xe0); /* by CL */
    assert_int_equal(x86_flags_killed(&in), 0);
    in = DECODE(64, 0xa6);
    assert_int_equal(x86_flags_killed(&in), all);
    in = DECODE(64, 0xf3, 0xa6); /* RCX may be 0 */
    assert_int_equal(x86_flags_killed(&in), 0);
    assert_int_equal(DECODE(64, 0x74, 0x00).desc->flags_read, X86_FL_ZF);
    assert_int_equal(DECODE(64, 0x0f, 0x4f, 0xc1).desc->flags_read,
                     X86_FL_ZF | X86_FL_SF | X86_FL_OF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_input_is_short),
        cmocka_unit_test(fifteen_bytes_at_most),
        cmocka_unit_test(never_reads_beyond),
        cmocka_unit_test(rex_must_be_last),
        cmocka_unit_test(high_byte_registers),
        cmocka_unit_test(memory_forms),
        cmocka_unit_test(absolute_addresses),
        cmocka_unit_test(segment_overrides),
        cmocka_unit_test(lock_rules),
        cmocka_unit_test(mandatory_prefixes),
        cmocka_unit_test(nop_pause_xchg),
        cmocka_unit_test(branches),
        cmocka_unit_test(stack_sizes),
        cmocka_unit_test(immediates),
        cmocka_unit_test(system_registers),
        cmocka_unit_test(vex_rules),
        cmocka_unit_test(gathers),
        cmocka_unit_test(flags_for_liveness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
