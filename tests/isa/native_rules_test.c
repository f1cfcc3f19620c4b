/*
 * The rules around native execution that random comparison with the host cannot reach: control
 * registers, cache overflow, operating modes, the host's own state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "isa/x86/access.h"
#include "isa/x86/decode.h"
#include "isa/x86/native_impl.h"
#include "isa/x86/x87.h"
#include "native_guest.h"

static _Alignas(4096) uint8_t memory[4096 * 4];

static struct guest *fresh(void)
{
    struct guest *g = guest_create();
    g->mem = (uintptr_t)memory;
    g->mem_size = sizeof(memory);
    memset(memory, 0, sizeof(memory));
    x87_init(g->c);
    g->c->gpr[RBX] = (uintptr_t)memory + 4096;
    return g;
}

/* Run code bytes; the vector raised, -1 for none, -2 when refused. */
static int run_mode(struct guest *g, enum x86_mode mode, const char *code, unsigned len)
{
    struct x86_insn in;
    uint8_t bytes[15] = {0};

    memcpy(bytes, code, len);
    assert_int_equal(x86_decode(&in, bytes, sizeof(bytes), mode), 0);
    assert_int_equal(in.len, len);
    return guest_run(g, &in, 0x401000) ? g->vector : -2;
}

#define RUN(g, code) run_mode(g, X86_MODE_64, code, sizeof(code) - 1)

#define ADDPS   "\x0f\x58\xca"
#define VADDPS  "\xc5\xec\x58\xcb"
#define PADDD   "\x0f\xfe\xca"
#define FADD    "\xd8\xc1"
#define FWAIT   "\x9b"
#define FXSAVE  "\x0f\xae\x03"
#define STMXCSR "\x0f\xae\x1b"
#define XGETBV  "\x0f\x01\xd0"
#define XSETBV  "\x0f\x01\xd1"
#define FNSTCW  "\xd9\x3b"
#define FNSTSW  "\xdf\xe0"
#define FLD1    "\xd9\xe8"
#define FDIVZ   "\xd8\xf1" /* fdiv st0, st1 */

/* What an instruction raises when control registers differ from what an OS that uses it sets. */
struct access_rule {
    const char *code;
    unsigned len;
    uint64_t cr0_set, cr0_clear, cr4_clear, xcr0;
    int vector;
};

#define RULE(code, ...)                                                                            \
    {                                                                                              \
        code, sizeof(code) - 1, __VA_ARGS__                                                        \
    }

static const struct access_rule access_rules[] = {
    RULE(ADDPS, CR0_TS, 0, 0, 7, VEC_NM),          RULE(ADDPS, CR0_EM, 0, 0, 7, VEC_UD),
    RULE(ADDPS, CR0_EM | CR0_TS, 0, 0, 7, VEC_UD), RULE(ADDPS, 0, 0, CR4_OSFXSR, 7, VEC_UD),
    RULE(ADDPS, CR0_TS, 0, CR4_OSFXSR, 7, VEC_UD), RULE(ADDPS, 0, 0, CR4_OSXSAVE, 1, -1),
    RULE(VADDPS, CR0_TS, 0, 0, 7, VEC_NM),         RULE(VADDPS, CR0_EM, 0, 0, 7, -1),
    RULE(VADDPS, 0, 0, CR4_OSXSAVE, 7, VEC_UD),    RULE(VADDPS, CR0_TS, 0, 0, 3, VEC_UD),
    RULE(VADDPS, 0, 0, CR4_OSFXSR, 7, -1),         RULE(PADDD, CR0_EM, 0, 0, 7, VEC_UD),
    RULE(PADDD, CR0_TS, 0, 0, 7, VEC_NM),          RULE(PADDD, 0, 0, CR4_OSFXSR, 7, -1),
    RULE(FADD, CR0_EM, 0, 0, 7, VEC_NM),           RULE(FADD, CR0_TS, 0, 0, 7, VEC_NM),
    RULE(FNSTCW, CR0_TS, 0, 0, 7, VEC_NM),         RULE(FWAIT, CR0_TS, CR0_MP, 0, 7, -1),
    RULE(FWAIT, CR0_TS | CR0_MP, 0, 0, 7, VEC_NM), RULE(FWAIT, CR0_EM, 0, 0, 7, -1),
    RULE(FXSAVE, CR0_EM, 0, 0, 7, VEC_NM),         RULE(FXSAVE, CR0_TS, 0, 0, 7, VEC_NM),
    RULE(FXSAVE, 0, 0, CR4_OSFXSR, 7, -1),         RULE(STMXCSR, CR0_EM, 0, 0, 7, VEC_UD),
    RULE(STMXCSR, 0, 0, CR4_OSFXSR, 7, VEC_UD),    RULE(STMXCSR, CR0_TS, 0, 0, 7, VEC_NM),
    RULE(XGETBV, CR0_TS | CR0_EM, 0, 0, 7, -1),    RULE(XGETBV, 0, 0, CR4_OSXSAVE, 7, VEC_UD),
};

static void test_control_registers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(access_rules); i++) {
        const struct access_rule *r = &access_rules[i];
        struct guest *g = fresh();
        g->c->cr0 = (g->c->cr0 | r->cr0_set) & ~r->cr0_clear;
        g->c->cr4 &= ~r->cr4_clear;
        g->c->xcr0 = r->xcr0;
        assert_int_equal(run_mode(g, X86_MODE_64, r->code, r->len), r->vector);
        guest_destroy(g);
    }
}

static void test_pending_x87_exception(void **state)
{
    struct guest *g = fresh();

    (void)state;
    xs_set_fcw(g->c, FCW_INIT & ~4); /* unmask divide by zero */
    xs_set_ftw(g->c, 0x03);          /* ST0, ST1 = physical 0, 1 */
    memcpy(g->c->xsave + XS_ST, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
    assert_int_equal(RUN(g, FDIVZ), -1); /* 1 / 0: pends */
    assert_true(xs_fsw(g->c) & FSW_ES);
    assert_memory_equal(g->c->xsave + XS_ST, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
    assert_int_equal(RUN(g, FNSTSW), -1); /* does not wait */
    assert_int_equal(g->c->gpr[RAX] & 0x8084, 0x8084);
    assert_int_equal(RUN(g, FWAIT), VEC_MF);
    assert_int_equal(RUN(g, FLD1), VEC_MF);
    assert_int_equal(RUN(g, PADDD), VEC_MF);
    g->c->cr0 &= ~(uint64_t)CR0_NE; /* nobody hears FERR# */
    assert_int_equal(RUN(g, FLD1), -1);
    assert_int_equal(xs_fcw(g->c), FCW_INIT & ~4);
    assert_true(xs_fsw(g->c) & FSW_ES);
    assert_int_equal(xs_fsw(g->c) >> 11 & 7, 7);
    guest_destroy(g);
}

static void test_simd_exception(void **state)
{
    static const uint32_t one = 0x3f800000;
    struct guest *g = fresh();

    (void)state;
    memcpy(g->c->xsave + XS_XMM + 16, &one, 4);
    xs_set_mxcsr(g->c, MXCSR_DEFAULT & ~0x200u); /* divide by zero */
    assert_int_equal(RUN(g, "\xf3\x0f\x5e\xca"), VEC_XM);
    assert_int_equal(xs_mxcsr(g->c), 0x1d84);
    assert_memory_equal(g->c->xsave + XS_XMM + 16, &one, 4);
    g->c->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    assert_int_equal(RUN(g, "\xf3\x0f\x5e\xca"), VEC_UD);
    guest_destroy(g);
}

static void test_host_is_left_clean(void **state)
{
    struct guest *g = fresh();
    uint16_t env[14];
    uint32_t mxcsr;

    (void)state;
    xs_set_mxcsr(g->c, 0x7fc0); /* round to zero, DAZ */
    xs_set_fcw(g->c, 0x0040);
    assert_int_equal(RUN(g, ADDPS), -1);
    assert_int_equal(RUN(g, PADDD), -1);
    assert_int_equal(RUN(g, FLD1), -1);
    __asm__ volatile("fnstenv %0; fldenv %0; stmxcsr %1" : "=m"(env), "=m"(mxcsr));
    assert_int_equal(mxcsr & ~MXCSR_FLAGS, MXCSR_DEFAULT);
    assert_int_equal(env[0], FCW_INIT);
    assert_int_equal(env[4], 0xffff); /* tags */
    guest_destroy(g);
}

static void test_cache_overflow(void **state)
{
    struct guest *g = fresh();
    struct x86_insn in;
    uint8_t code[15] = {0x66, 0x0f, 0x70, 0xc0, 0}; /* pshufd xmm, xmm, imm8 */
    uint64_t before = x86_native_generation(g->c->native);
    unsigned i;

    (void)state;
    for (i = 0; x86_native_generation(g->c->native) == before; i++) {
        assert_true(i < 70000);
        code[3] = (uint8_t)(0xc0 | (i >> 8 & 63));
        code[4] = (uint8_t)i;
        code[2] = i >> 14 == 0 ? 0x70 : 0xc6;
        assert_int_equal(x86_decode(&in, code, sizeof(code), X86_MODE_64), 0);
        assert_non_null(x86_native_prepare(g->c, &in));
    }
    assert_true(i > 10000);
    memset(g->c->xsave + XS_XMM + 16, 1, 32);
    assert_int_equal(RUN(g, "\x66\x0f\xfe\xca"), -1); /* paddd xmm1, xmm2 */
    assert_int_equal(g->c->xsave[XS_XMM + 16], 2);
    guest_destroy(g);
}

static void test_xsave_initial_state(void **state)
{
    struct guest *g = fresh();
    uint64_t head[2];

    (void)state;
    g->c->gpr[RAX] = 7;
    memset(memory, 0xaa, sizeof(memory));
    memset(memory + 4096 + XS_XSTATE_BV, 0, 64);
    assert_int_equal(RUN(g, "\x0f\xae\x33"), -1); /* xsaveopt: only MXCSR and the header */
    memcpy(head, memory + 4096 + XS_XSTATE_BV, 16);
    assert_int_equal(head[0], 0);
    assert_int_equal(memory[4096], 0xaa);
    assert_int_equal(memory[4096 + XS_MXCSR], 0x80);
    assert_int_equal(memory[4096 + XS_XMM], 0xaa);
    assert_int_equal(RUN(g, "\x0f\xc7\x23"), -1); /* xsavec */
    memcpy(head, memory + 4096 + XS_XSTATE_BV, 16);
    assert_int_equal(head[0], 0);
    assert_true(head[1] == ((UINT64_C(1) << 63) | 7));
    memset(g->c->xsave + XS_XMM, 5, 256);
    memset(g->c->xsave + XS_YMMH, 5, 256);
    xs_set_fcw(g->c, 0x40);
    assert_int_equal(RUN(g, "\x0f\xae\x2b"), -1); /* xrstor of nothing: all initial */
    assert_int_equal(xs_fcw(g->c), FCW_INIT);
    assert_int_equal(g->c->xsave[XS_XMM], 0);
    assert_int_equal(g->c->xsave[XS_YMMH + 255], 0);
    guest_destroy(g);
}

static void test_xsetbv(void **state)
{
    static const struct {
        uint64_t rax, rcx;
        uint8_t cpl;
        int vector;
    } rule[] = {{7, 0, 0, -1},     {3, 0, 0, -1},     {1, 0, 0, -1},     {7, 0, 3, VEC_GP},
                {7, 1, 0, VEC_GP}, {6, 0, 0, VEC_GP}, {5, 0, 0, VEC_GP}, {0xe7, 0, 0, VEC_GP}};
    struct guest *g = fresh();

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rule); i++) {
        g->c->gpr[RAX] = rule[i].rax;
        g->c->gpr[RDX] = 0;
        g->c->gpr[RCX] = rule[i].rcx;
        g->c->cpl = rule[i].cpl;
        assert_int_equal(RUN(g, XSETBV), rule[i].vector);
        if (rule[i].vector < 0)
            assert_int_equal(g->c->xcr0, rule[i].rax);
    }
    guest_destroy(g);
}

/* What a file could hold must not make the host fault. */
static void test_sanitize(void **state)
{
    struct guest *g = fresh();

    (void)state;
    memset(g->c->xsave, 0xff, sizeof(g->c->xsave));
    g->c->xcr0 = UINT64_MAX;
    x86_fpu_sanitize(g->c);
    assert_int_equal(g->c->xcr0, 7);
    assert_int_equal(xs_xstate_bv(g->c), 7);
    g->c->cr0 &= ~(uint64_t)CR0_NE;
    assert_int_equal(RUN(g, FLD1), -1);
    assert_int_equal(RUN(g, PADDD), -1);
    assert_int_equal(RUN(g, ADDPS), -1);
    assert_int_equal(RUN(g, "\x0f\x2c\xc1"), -1); /* cvttps2pi mm0, xmm1 */
    guest_destroy(g);
}

/* 32-bit code: VEX.W of VMOVD is ignored, addresses wrap, the environment has two sizes. */
static void test_protected_mode(void **state)
{
    struct guest *g = fresh();
    uint8_t env[28];

    (void)state;
    g->c->code_mode = 32;
    memset(g->c->xsave + XS_XMM + 16, 0x77, 16);
    g->c->gpr[RAX] = 0x1234567811223344;
    assert_int_equal(run_mode(g, X86_MODE_32, "\xc4\xe1\xf9\x6e\xc8", 5), -1);
    assert_memory_equal(g->c->xsave + XS_XMM + 16, "\x44\x33\x22\x11\0\0\0\0\0\0\0\0\0\0\0\0", 16);

    xs_set_fop(g->c, 0x123);
    xs_set_fip(g->c, 0x12345678);
    xs_set_fdp(g->c, 0x9abcdef0);
    x87_env_store(g->c, X87_PROT32, env);
    assert_memory_equal(env + 12, "\x78\x56\x34\x12\0\0\x23\x01\xf0\xde\xbc\x9a\0\0\xff\xff", 16);
    x87_env_store(g->c, X87_PROT16, env);
    assert_memory_equal(env + 6, "\x78\x56\0\0\xf0\xde\0\0", 8);
    x87_env_store(g->c, X87_REAL32, env);
    assert_memory_equal(env + 12, "\x78\x56\xff\xff\x23\x41\x23\x01\xf0\xde\xff\xff\0\xc0\xab\x09",
                        16);
    x87_env_store(g->c, X87_REAL16, env);
    assert_memory_equal(env + 6, "\x78\x56\x23\x41\xf0\xde\0\xc0", 8);
    guest_destroy(g);
}

/* vpgatherdd xmm1, fs:[eax + xmm2*4], xmm3 in 32-bit code: offsets wrap below the segment base. */
static void test_gather_in_segment(void **state)
{
    static const int32_t index[4] = {0, 1, -1, 5};
    struct guest *g = fresh();
    uint8_t *low =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    (void)state;
    assert_ptr_not_equal(low, MAP_FAILED);
    for (unsigned i = 0; i < 8; i++)
        low[4 * i] = (uint8_t)(i + 1);
    g->mem = (uintptr_t)low;
    g->mem_size = 8192;
    g->c->code_mode = 32;
    g->c->seg[SEG_FS].base = (uintptr_t)low - 0x1000;
    g->c->gpr[RAX] = 0x1004;
    memcpy(g->c->xsave + XS_XMM + 32, index, 16);
    memset(g->c->xsave + XS_XMM + 48, 0xff, 16);
    assert_int_equal(run_mode(g, X86_MODE_32, "\x64\xc4\xe2\x61\x90\x0c\x90", 7), -1);
    assert_memory_equal(g->c->xsave + XS_XMM + 16, "\2\0\0\0\3\0\0\0\1\0\0\0\7\0\0\0", 16);
    munmap(low, 8192);
    guest_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_registers),
        cmocka_unit_test(test_pending_x87_exception),
        cmocka_unit_test(test_simd_exception),
        cmocka_unit_test(test_host_is_left_clean),
        cmocka_unit_test(test_cache_overflow),
        cmocka_unit_test(test_xsave_initial_state),
        cmocka_unit_test(test_xsetbv),
        cmocka_unit_test(test_sanitize),
        cmocka_unit_test(test_protected_mode),
        cmocka_unit_test(test_gather_in_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
