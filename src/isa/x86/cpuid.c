/*
 * The default CPU model: what this host has, cut to what doppel executes. [SDM 2 CPUID]
 */
#include <cpuid.h>
#include <string.h>

#include "isa/x86/cpu.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/insn.h"

#define BIT(n) (1u << (n))

/* Leaf 1 ECX: SSE3 PCLMUL SSSE3 FMA CX16 PCID SSE41 SSE42 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
#define LEAF1_ECX                                                                                  \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) | BIT(20) | BIT(22) |        \
     BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30))
/* The engines provide these whatever the host: x2APIC, TSC deadline, hypervisor present. */
#define LEAF1_ECX_OURS (BIT(21) | BIT(24) | BIT(31) | BIT(17))
/* FPU DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2
 * SS */
#define LEAF1_EDX                                                                                  \
    (BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9) | BIT(11) |    \
     BIT(12) | BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(19) | BIT(23) | BIT(24) |     \
     BIT(25) | BIT(26) | BIT(27))
/* Leaf 7 EBX: BMI1 AVX2 FDP_EXCPTN_ONLY BMI2 ERMS RDSEED ADX CLFLUSHOPT CLWB SHA */
#define LEAF7_EBX                                                                                  \
    (BIT(3) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(23) | BIT(24) | BIT(29))
/* FSGSBASE TSC_ADJUST SMEP INVPCID, no FPU CS and DS, SMAP: the MMU's and the interpreter's own. */
#define LEAF7_EBX_OURS (BIT(0) | BIT(1) | BIT(7) | BIT(10) | BIT(13) | BIT(20))
#define LEAF7_ECX_OURS BIT(2) /* UMIP */
/* VERW clears buffers (there are none); SPEC_CTRL, STIBP, ARCH_CAPABILITIES, SSBD: registers that
 * exist and do nothing. KVM says which of these its processor has. */
#define LEAF7_EDX_OURS (BIT(10) | BIT(26) | BIT(27) | BIT(29) | BIT(31))
/* Leaf 7.2 EDX: BHI_CTRL, a bit of SPEC_CTRL. Without it Linux clears the branch history by a loop
 * of calls at each system call, whatever ARCH_CAPABILITIES says. */
#define LEAF7_2_EDX_OURS BIT(4)
/* 80000001: LAHF LZCNT PREFETCHW; SYSCALL NX 1GB RDTSCP LM */
#define EXT1_ECX      (BIT(0) | BIT(5) | BIT(8))
#define EXT1_EDX_OURS (BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29))

/* Family 6 model 79: what kernels hold against it ARCH_CAPABILITIES denies. Programs that GCC built
 * for several processors (target_clones with arch=) choose by the model alone, without a look at
 * the feature bits; so it is one that had AVX2 and BMI2 as hosts do, and never AVX-512. */
enum { BROADWELL_X = 0x000406f1 };

struct regs {
    uint32_t a, b, c, d;
};

static struct regs host(uint32_t leaf, uint32_t sub)
{
    struct regs r = {0};
    __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d);
    return r;
}

static struct cpuid_leaf *add(struct cpuid_model *m, uint32_t leaf, struct regs r)
{
    struct cpuid_leaf *l = &m->leaves[m->n++];
    *l = (struct cpuid_leaf){.leaf = leaf, .eax = r.a, .ebx = r.b, .ecx = r.c, .edx = r.d};
    return l;
}

static void add_sub(struct cpuid_model *m, uint32_t leaf, uint32_t sub, struct regs r)
{
    struct cpuid_leaf *l = add(m, leaf, r);
    l->subleaf = sub;
    l->has_subleaf = true;
}

static struct regs text(const char *s)
{
    struct regs r;
    memcpy(&r, s, sizeof(r));
    return r;
}

static bool host_has_avx(void)
{
    struct regs r = host(1, 0);
    uint32_t lo, hi;
    if (!(r.c & BIT(27)) || !(r.c & BIT(28)))
        return false;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & 6) == 6;
}

/* Cores in one package, no SMT: `ncpus` APIC ids from 0. */
static void add_topology(struct cpuid_model *m, unsigned ncpus)
{
    unsigned shift = ncpus > 1 ? 32 - (unsigned)__builtin_clz(ncpus - 1) : 0;
    add_sub(m, 4, 0, (struct regs){0x121 | (ncpus - 1) << 26, 0x1c0003f, 63, 0});   /* L1d 32 KiB */
    add_sub(m, 4, 1, (struct regs){0x122 | (ncpus - 1) << 26, 0x1c0003f, 63, 0});   /* L1i */
    add_sub(m, 4, 2, (struct regs){0x143 | (ncpus - 1) << 26, 0x3c0003f, 1023, 0}); /* L2 1 MiB */
    add_sub(m, 4, 3, (struct regs){0, 0, 0, 0});
    add_sub(m, 0xb, 0, (struct regs){0, 1, 0x100, 0});
    add_sub(m, 0xb, 1, (struct regs){shift, ncpus, 0x201, 0});
    add_sub(m, 0xb, 2, (struct regs){0, 0, 2, 0});
}

static void add_xsave(struct cpuid_model *m)
{
    uint32_t size = m->xcr0_mask & XCR0_AVX ? XS_SIZE : XS_YMMH;
    struct regs h = host(0xd, 1);
    add_sub(m, 0xd, 0, (struct regs){(uint32_t)m->xcr0_mask, size, size, 0});
    add_sub(m, 0xd, 1, (struct regs){h.a & 7, size, 0, 0}); /* XSAVEOPT XSAVEC XGETBV(1) */
    if (m->xcr0_mask & XCR0_AVX)
        add_sub(m, 0xd, 2, (struct regs){256, XS_YMMH, 0, 0});
}

static void add_basic(struct cpuid_model *m, unsigned ncpus, bool avx)
{
    struct regs h1 = host(1, 0), h7 = host(7, 0);
    uint32_t vex1 = BIT(12) | BIT(28) | BIT(29), vex7 = BIT(5);
    uint32_t ecx = (h1.c & LEAF1_ECX & (avx ? UINT32_MAX : ~vex1)) | LEAF1_ECX_OURS;
    uint32_t ebx7 = (h7.b & LEAF7_EBX & (avx ? UINT32_MAX : ~vex7)) | LEAF7_EBX_OURS;
    add(m, 0, (struct regs){.a = 0x16});
    add(m, 1,
        (struct regs){0, 0x00000800 | ncpus << 16, ecx,
                      (h1.d & LEAF1_EDX) | (ncpus > 1 ? BIT(28) : 0)});
    add(m, 2, (struct regs){0x00ff0001, 0, 0, 0});
    add(m, 6, (struct regs){BIT(2), 0, 0, 0}); /* APIC timer runs always */
    add_sub(m, 7, 0, (struct regs){2, ebx7, LEAF7_ECX_OURS, LEAF7_EDX_OURS});
    add_sub(m, 7, 1, (struct regs){0});
    add_sub(m, 7, 2, (struct regs){.d = LEAF7_2_EDX_OURS});
    add_xsave(m);
    add_topology(m, ncpus);
    /* TSC = crystal (1 MHz) * ebx / eax. */
    add(m, 0x15, (struct regs){1000, (uint32_t)(m->tsc_hz / 1000), 1000000, 0});
    add(m, 0x16,
        (struct regs){(uint32_t)(m->tsc_hz / 1000000), (uint32_t)(m->tsc_hz / 1000000), 100, 0});
}

static void add_extended(struct cpuid_model *m)
{
    struct regs h = host(0x80000001, 0);
    add(m, 0x80000000, (struct regs){0x80000008, 0, 0, 0});
    add(m, 0x80000001, (struct regs){0, 0, h.c & EXT1_ECX, EXT1_EDX_OURS});
    add(m, 0x80000002, text("doppel virtual C"));
    add(m, 0x80000003, text("PU\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    add(m, 0x80000004, (struct regs){0});
    add(m, 0x80000006, (struct regs){0, 0, 0x04008040, 0});
    add(m, 0x80000007, (struct regs){0, 0, 0, BIT(8)}); /* invariant TSC */
    add(m, 0x80000008, (struct regs){m->phys_bits | 48 << 8, 0, 0, 0});
}

void cpuid_model_build(struct cpuid_model *m, unsigned ncpus, uint64_t tsc_hz)
{
    bool avx = host_has_avx();
    memset(m, 0, sizeof(*m));
    m->tsc_hz = tsc_hz;
    m->phys_bits = 40;
    m->xcr0_mask = XCR0_X87 | XCR0_SSE | (avx ? XCR0_AVX : 0);
    add_basic(m, ncpus, avx);
    add(m, 0x40000000, (struct regs){0x40000000, 0x70706f64, 0x6f646c65, 0x6c657070});
    add_extended(m);
    cpuid_identify(m, (struct cpuid_identity){CPUID_INTEL, BROADWELL_X});
}

static const struct cpuid_leaf *find(const struct cpuid_model *m, uint32_t leaf, uint32_t sub)
{
    for (unsigned i = 0; i < m->n; i++) {
        const struct cpuid_leaf *l = &m->leaves[i];
        if (l->leaf == leaf && (!l->has_subleaf || l->subleaf == sub))
            return l;
    }
    return NULL;
}

/* Bytes of an XSAVE image in standard form for the features enabled now. */
static uint32_t xsave_size(const struct x86_cpu *c)
{
    return c->xcr0 & XCR0_AVX ? XS_SIZE : XS_YMMH;
}

static void dynamic_bits(const struct x86_cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    if (leaf == 1) {
        out[1] |= c->id << 24;
        if (c->cr4 & CR4_OSXSAVE)
            out[2] |= BIT(27);
        if (!(c->apic_base & BIT(11)))
            out[3] &= ~BIT(9);
    } else if (leaf == 0xb) {
        out[3] = c->id;
    } else if (leaf == 0xd && sub < 2) {
        out[1] = xsave_size(c);
    }
}

void cpuid_query(const struct x86_cpu *c, uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    const struct cpuid_leaf *l = find(c->model, leaf, sub);
    bool out_of_range = leaf < 0x40000000 ? leaf > 0x16 : leaf > 0x80000008;
    memset(out, 0, 4 * sizeof(out[0]));
    if (!l && out_of_range && c->model->id.vendor == CPUID_INTEL)
        l = find(c->model, 0x16, 0); /* Intel: the highest basic leaf answers */
    if (!l)
        return;
    out[0] = l->eax;
    out[1] = l->ebx;
    out[2] = l->ecx;
    out[3] = l->edx;
    dynamic_bits(c, leaf, sub, out);
}

/* Where each instruction-set feature shows; leaf 0: always there. */
struct feature_bit {
    uint32_t leaf, sub;
    uint8_t reg, bit;
};

static const struct feature_bit feature_bits[X86_FEAT_COUNT] = {
    [X86_FEAT_SSE3] = {1, 0, 2, 0},           [X86_FEAT_PCLMUL] = {1, 0, 2, 1},
    [X86_FEAT_MONITOR] = {1, 0, 2, 3},        [X86_FEAT_VMX] = {1, 0, 2, 5},
    [X86_FEAT_SSSE3] = {1, 0, 2, 9},          [X86_FEAT_FMA] = {1, 0, 2, 12},
    [X86_FEAT_CX16] = {1, 0, 2, 13},          [X86_FEAT_SSE41] = {1, 0, 2, 19},
    [X86_FEAT_SSE42] = {1, 0, 2, 20},         [X86_FEAT_MOVBE] = {1, 0, 2, 22},
    [X86_FEAT_POPCNT] = {1, 0, 2, 23},        [X86_FEAT_AES] = {1, 0, 2, 25},
    [X86_FEAT_XSAVE] = {1, 0, 2, 26},         [X86_FEAT_AVX] = {1, 0, 2, 28},
    [X86_FEAT_F16C] = {1, 0, 2, 29},          [X86_FEAT_RDRAND] = {1, 0, 2, 30},
    [X86_FEAT_FSGSBASE] = {7, 0, 1, 0},       [X86_FEAT_BMI1] = {7, 0, 1, 3},
    [X86_FEAT_AVX2] = {7, 0, 1, 5},           [X86_FEAT_BMI2] = {7, 0, 1, 8},
    [X86_FEAT_INVPCID] = {7, 0, 1, 10},       [X86_FEAT_RDSEED] = {7, 0, 1, 18},
    [X86_FEAT_ADX] = {7, 0, 1, 19},           [X86_FEAT_SMAP] = {7, 0, 1, 20},
    [X86_FEAT_CLFLUSHOPT] = {7, 0, 1, 23},    [X86_FEAT_CLWB] = {7, 0, 1, 24},
    [X86_FEAT_SHA] = {7, 0, 1, 29},           [X86_FEAT_RDPID] = {7, 0, 2, 22},
    [X86_FEAT_XSAVEOPT] = {0xd, 1, 0, 0},     [X86_FEAT_XSAVEC] = {0xd, 1, 0, 1},
    [X86_FEAT_XSAVES] = {0xd, 1, 0, 3},       [X86_FEAT_SVM] = {0x80000001, 0, 2, 2},
    [X86_FEAT_LZCNT] = {0x80000001, 0, 2, 5}, [X86_FEAT_RDTSCP] = {0x80000001, 0, 3, 27},
};

bool cpuid_has_feature(const struct cpuid_model *m, unsigned feature)
{
    const struct feature_bit *f = &feature_bits[feature];
    if (f->leaf == 0)
        return true;
    const struct cpuid_leaf *l = find(m, f->leaf, f->sub);
    if (!l)
        return false;
    const uint32_t regs[4] = {l->eax, l->ebx, l->ecx, l->edx};
    return regs[f->reg] >> f->bit & 1;
}
