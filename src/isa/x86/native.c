/*
 * The cache of native thunks: from a decoded instruction to host code for it. See native.h.
 */
#include "isa/x86/native.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>

#include "isa/x86/native_impl.h"

/* Where CPUID says that the host has a feature of this module. [SDM 2A CPUID] */
struct feature_bit {
    uint8_t feature;
    uint8_t reg; /* 0 eax 1 ebx 2 ecx 3 edx */
    uint8_t bit;
    uint8_t subleaf;
    uint32_t leaf;
};

static const struct feature_bit feature_bits[] = {
    {X86_FEAT_FPU, 3, 0, 0, 1},       {X86_FEAT_CMOV, 3, 15, 0, 1},   {X86_FEAT_MMX, 3, 23, 0, 1},
    {X86_FEAT_FXSR, 3, 24, 0, 1},     {X86_FEAT_SSE, 3, 25, 0, 1},    {X86_FEAT_SSE2, 3, 26, 0, 1},
    {X86_FEAT_SSE3, 2, 0, 0, 1},      {X86_FEAT_PCLMUL, 2, 1, 0, 1},  {X86_FEAT_SSSE3, 2, 9, 0, 1},
    {X86_FEAT_FMA, 2, 12, 0, 1},      {X86_FEAT_SSE41, 2, 19, 0, 1},  {X86_FEAT_SSE42, 2, 20, 0, 1},
    {X86_FEAT_AES, 2, 25, 0, 1},      {X86_FEAT_XSAVE, 2, 26, 0, 1},  {X86_FEAT_AVX, 2, 28, 0, 1},
    {X86_FEAT_F16C, 2, 29, 0, 1},     {X86_FEAT_AVX2, 1, 5, 0, 7},    {X86_FEAT_SHA, 1, 29, 0, 7},
    {X86_FEAT_XSAVEOPT, 0, 0, 1, 13}, {X86_FEAT_XSAVEC, 0, 1, 1, 13},
};

static bool host_has_bit(const struct feature_bit *f)
{
    uint32_t r[4];
    if (!__get_cpuid_count(f->leaf, f->subleaf, &r[0], &r[1], &r[2], &r[3]))
        return false;
    return r[f->reg] >> f->bit & 1;
}

static bool host_os_has_avx(void)
{
    uint32_t a, b, c, d, lo, hi;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1))
        return false;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & (XCR0_SSE | XCR0_AVX)) == (XCR0_SSE | XCR0_AVX);
}

static void find_features(struct x86_native *n)
{
    static const uint8_t need_avx[] = {X86_FEAT_AVX, X86_FEAT_AVX2, X86_FEAT_FMA, X86_FEAT_F16C};
    _Alignas(16) uint8_t fx[FX_SIZE] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(feature_bits); i++)
        n->has[feature_bits[i].feature] = host_has_bit(&feature_bits[i]);
    /* The state images are handled in C, whatever the host has. */
    n->has[X86_FEAT_XSAVE] = n->has[X86_FEAT_XSAVEOPT] = n->has[X86_FEAT_XSAVEC] = true;
    if (!host_os_has_avx())
        for (unsigned i = 0; i < ARRAY_SIZE(need_avx); i++)
            n->has[need_avx[i]] = false;

    __asm__ volatile("fxsave64 %0" : "=m"(fx));
    memcpy(&n->mxcsr_mask, fx + XS_MXCSR_MASK, sizeof(n->mxcsr_mask));
    n->x87_tracks = native_probe_x87_tracks();
    if (!n->mxcsr_mask)
        n->mxcsr_mask = 0xffbf; /* [SDM 1 11.6.6] */
}

int x86_native_create(struct x86_native **out, struct error *err)
{
    struct x86_native *n = aligned_alloc(64, (sizeof(*n) + 63) & ~(size_t)63);
    if (!n)
        return error_set(err, ENOMEM, "no memory for a vCPU's vector unit");
    memset(n, 0, offsetof(struct x86_native, next)); /* the rest is touched as it gets used */
    find_features(n);
    int rc = execmem_init(&n->code, NATIVE_CODE_SIZE, err);
    if (rc) {
        free(n);
        return rc;
    }
    *out = n;
    return 0;
}

void x86_native_destroy(struct x86_native *n)
{
    if (!n)
        return;
    execmem_destroy(&n->code);
    free(n);
}

uint64_t x86_native_generation(const struct x86_native *n)
{
    return n->generation;
}

static void empty_cache(struct x86_native *n)
{
    memset(n->bucket, 0, sizeof(n->bucket));
    n->n = 0;
    execmem_reset(&n->code);
    n->generation++;
}

/* Does ModRM.reg, not rm, name the general register? [SDM 2 appendix A] */
static bool gpr_in_reg(const struct x86_insn *in)
{
    return in->map == 1 && (in->opcode == 0x2c || in->opcode == 0x2d || in->opcode == 0x50 ||
                            in->opcode == 0xd7 || in->opcode == 0xc5);
}

/*
 * Non-temporal stores become ordinary ones: the host's SFENCE would have to follow each, as it is
 * not there where the guest's is.
 */
static uint8_t ordinary_store(const struct x86_insn *in)
{
    if (in->map != 1 || !x86_is_mem(in))
        return in->opcode;
    if (in->opcode == 0x2b)
        return 0x29; /* MOVNTPS, MOVNTPD: MOVAPS, MOVAPD */
    if (in->opcode == 0xe7)
        return 0x7f; /* MOVNTDQ, MOVNTQ: MOVDQA, MOVQ */
    return in->opcode;
}

static uint8_t selecting_prefix(const struct x86_insn *in)
{
    static const uint8_t vex_pp[4] = {0, 0x66, 0xf3, 0xf2};
    if (in->prefixes & X86_P_VEX)
        return vex_pp[in->vex_pp & 3];
    if (in->map == 0)
        return 0;
    if (in->prefixes & X86_P_REP)
        return 0xf3;
    if (in->prefixes & X86_P_REPNE)
        return 0xf2;
    return in->prefixes & X86_P_OPSIZE ? 0x66 : 0;
}

static uint8_t operand_imm(const struct x86_insn *in)
{
    const struct x86_operand *o = &in->op[3];
    if (in->nops == 4 && (o->kind == X86_OP_XMM || o->kind == X86_OP_YMM))
        return (uint8_t)(o->reg << 4); /* is4 */
    return (uint8_t)in->imm;
}

static void form_registers(struct native_form *f, const struct x86_insn *in)
{
    f->reg = (in->modrm >> 3 & 7) | (in->rex & 4 ? 8 : 0);
    f->rm = x86_is_mem(in) ? NO_REG : (in->modrm & 7) | (in->rex & 1 ? 8 : 0);
    f->vvvv = in->vex_vvvv;
    f->gpr_reg = f->gpr_rm = NO_REG;
    for (unsigned i = 0; i < in->nops; i++) {
        if (in->op[i].kind != X86_OP_GPR)
            continue;
        if (gpr_in_reg(in))
            f->gpr_reg = in->op[i].reg;
        else
            f->gpr_rm = in->op[i].reg;
    }
}

/* VEX.W is an integer operand's size here, and ignored outside 64-bit mode: MOVD, CVTSI2SS,
 * CVTSS2SI, PEXTRD, PINSRD, PCMPESTRI (its lengths) and the like. */
static bool w_is_size(const struct x86_insn *in)
{
    unsigned op = in->opcode;
    if (in->map == 1)
        return op == 0x6e || op == 0x7e || op == 0x2a || op == 0x2c || op == 0x2d;
    return in->map == 3 && (op == 0x16 || op == 0x22 || op == 0x60 || op == 0x61);
}

static void make_form(struct native_form *f, const struct x86_insn *in)
{
    bool vex = in->prefixes & X86_P_VEX;

    memset(f, 0, sizeof(*f));
    f->map = in->map;
    f->opcode = ordinary_store(in);
    f->prefix = selecting_prefix(in);
    f->vex = vex | (vex && in->vex_l) << 1;
    f->w = vex ? in->vex_w : (in->rex & 8) != 0;
    if (in->mode != X86_MODE_64 && w_is_size(in))
        f->w = 0;
    f->has_imm = in->imm_size != 0;
    f->imm = f->has_imm ? operand_imm(in) : 0;
    form_registers(f, in);
    f->index = in->vsib ? (uint8_t)(in->index | in->scale << 4) : 0;
    f->opsize = in->opsize;
    f->fop = in->desc->flags & X86_F_X87 ? (uint16_t)((in->opcode & 7) << 8 | in->modrm) : 0;
}

static unsigned form_hash(const struct native_form *f)
{
    uint64_t a, b;
    _Static_assert(sizeof(*f) == 16, "hashed as two words");
    memcpy(&a, f, 8);
    memcpy(&b, (const char *)f + 8, 8);
    a = (a ^ (b * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);
    return a >> 51 & (NATIVE_BUCKETS - 1);
}

static const struct native_thunk *find(const struct x86_native *n, const struct native_form *f,
                                       unsigned bucket)
{
    for (unsigned i = n->bucket[bucket]; i; i = n->next[i - 1])
        if (!memcmp(&n->form[i - 1], f, sizeof(*f)))
            return &n->thunk[i - 1];
    return NULL;
}

static void requirements(struct native_thunk *t, const struct x86_insn *in)
{
    uint32_t fl = in->desc->flags;

    if (fl & X86_F_AVX) {
        t->cr0_bad = CR0_TS;
        t->cr4_need = CR4_OSXSAVE;
        t->xcr0_need = XCR0_SSE | XCR0_AVX;
        return;
    }
    t->cr0_bad = CR0_EM | CR0_TS;
    if (fl & (X86_F_SSE | X86_F_MMX))
        t->flags |= NT_EM_UD;
    if (fl & X86_F_SSE)
        t->cr4_need = CR4_OSFXSR;
}

/* What user code must align where that is checked; nothing above 8 bytes, nor half floats. */
static unsigned ac_align(const struct x86_insn *in, unsigned size)
{
    if (in->iclass == X86_I_VCVTPH2PS || in->iclass == X86_I_VCVTPS2PH)
        return 1;
    if (size == 10)
        return 8;
    return size == 2 || size == 4 || size == 8 ? size : 1;
}

static void describe(struct native_thunk *t, const struct native_form *f, const struct x86_insn *in)
{
    memset(t, 0, sizeof(*t));
    requirements(t, in);
    t->ac_align = 1;
    if (x86_is_mem(in)) {
        const struct x86_operand *m = &in->op[in->mem];
        t->mem_size = m->size <= 128 ? (uint8_t)m->size : 0;
        t->mem_access = m->access;
        t->ac_align = (uint8_t)ac_align(in, m->size);
        if (in->desc->flags & X86_F_ALIGNED)
            t->align_mask = (uint8_t)(m->size - 1);
    }
    t->flags |= in->desc->flags & X86_F_FP_MXCSR ? NT_FP : 0;
    t->flags |= f->w ? NT_W : 0;
    t->reg = f->reg;
    t->rm = f->rm;
    t->vvvv = f->vvvv;
    t->index = f->index & 15;
    t->scale = f->index >> 4;
    t->len = f->vex & 2 ? 32 : 16;
    t->opsize = f->opsize;
    t->opcode = in->opcode;
    t->modrm = in->modrm;
    t->fop = f->fop;
}

/* Does it need the x87 unit? CVTPI2PS and CVTPI2PD from memory are MMX by name only: they neither
 * wait for x87 exceptions nor enter MMX state. */
static bool uses_x87(const struct x86_insn *in)
{
    if (in->desc->flags & X86_F_X87)
        return true;
    for (unsigned i = 0; i < in->nops; i++)
        if (in->op[i].kind == X86_OP_MMX)
            return true;
    return false;
}

/* The quick form on top of the full one. */
static int emit_window(struct x86_native *n, struct native_thunk *t, const struct native_form *f,
                       const struct x86_insn *in)
{
    struct native_code k = {.len = 0};

    if (!native_emit_window(&k, f, in, t))
        return 0;
    t->window = execmem_add(&n->code, k.bytes, k.len, 16);
    if (!t->window)
        return -ENOSPC;
    t->run = native_run_window;
    return 0;
}

/* Make host code for it; 0, or -ENOSPC when the buffer is full. */
static int emit(struct x86_native *n, struct native_thunk *t, const struct native_form *f,
                const struct x86_insn *in)
{
    struct native_code k = {.len = 0};
    bool x87 = uses_x87(in);

    if (x87)
        native_emit_x87(&k, f, in);
    else
        native_emit_vector(&k, f, in);
    t->code = execmem_add(&n->code, k.bytes, k.len, 16);
    if (!t->code)
        return -ENOSPC;
    t->op_addr = (uintptr_t)t->code + k.op_off;
    t->host_fop = k.fop;
    if (in->desc->flags & X86_F_MMX)
        t->flags |= NT_MMX | (in->desc->flags & X86_F_SSE ? NT_XMM : 0);
    if (in->iclass == X86_I_VCVTPS2PH)
        t->flags |= NT_HALF;
    t->run = x87 ? native_run_x87 : native_vector_runner(t);
    return in->desc->flags & X86_F_X87 ? emit_window(n, t, f, in) : 0;
}

/* A handler in C wins over the host's own instruction. False: neither exists. */
static bool choose(struct native_thunk *t, const struct x86_insn *in)
{
    t->run = x87_control_handler(in, t);
    if (!t->run)
        t->run = xsave_handler(in, t);
    if (!t->run)
        t->run = vec_masked_handler(in, t);
    return t->run || (in->desc->flags & X86_F_NATIVE);
}

static const struct native_thunk *add(struct x86_native *n, const struct native_form *f,
                                      const struct x86_insn *in)
{
    struct native_thunk t;

    describe(&t, f, in);
    if (!choose(&t, in))
        return NULL;
    if (n->n == NATIVE_MAX_THUNKS)
        empty_cache(n);
    if (!t.run && emit(n, &t, f, in)) {
        empty_cache(n);
        if (emit(n, &t, f, in))
            return NULL;
    }
    unsigned bucket = form_hash(f), i = n->n++;
    n->form[i] = *f;
    n->thunk[i] = t;
    n->next[i] = n->bucket[bucket];
    n->bucket[bucket] = (uint16_t)(i + 1);
    return &n->thunk[i];
}

const struct native_thunk *x86_native_prepare(struct x86_cpu *c, const struct x86_insn *in)
{
    struct native_form f;

    if (!c->native->has[in->desc->feature])
        return NULL;
    make_form(&f, in);
    const struct native_thunk *t = find(c->native, &f, form_hash(&f));
    return t ? t : add(c->native, &f, in);
}
