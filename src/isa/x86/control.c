/*
 * Control registers and MSRs: what may be written, and what a write means for the MMU.
 * [SDM 3A 2.5, SDM 4]
 */
#include "isa/x86/debug.h"
#include "isa/x86/mmu.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

void x86_want_attention(struct x86_cpu *c, uint32_t bits)
{
    atomic_fetch_or_explicit(&c->attention, bits, memory_order_release);
}

void x86_hold_interrupts(struct x86_cpu *c, enum x86_shadow shadow)
{
    c->inhibit = shadow;
    x86_want_attention(c, X86_ATTN_STATE);
}

static bool cpuid_has(const struct x86_cpu *c, uint32_t leaf, unsigned reg, unsigned bit)
{
    uint32_t r[4];
    cpuid_query(c, leaf, 0, r);
    return r[reg] >> bit & 1;
}

uint64_t x86_cr4_mask(const struct x86_cpu *c)
{
    uint64_t m = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |
                 CR4_OSXMMEXCPT;
    m |= cpuid_has(c, 1, 2, 17) ? CR4_PCIDE : 0;
    m |= cpuid_has(c, 1, 2, 26) ? CR4_OSXSAVE : 0;
    m |= cpuid_has(c, 7, 1, 0) ? CR4_FSGSBASE : 0;
    m |= cpuid_has(c, 7, 1, 7) ? CR4_SMEP : 0;
    m |= cpuid_has(c, 7, 1, 20) ? CR4_SMAP : 0;
    m |= cpuid_has(c, 7, 2, 2) ? CR4_UMIP : 0;
    return m;
}

/* Turning paging on with EFER.LME enters long mode; turning it off leaves it. */
static void paging_switch(struct x86_cpu *c, uint64_t v)
{
    bool on = v & CR0_PG, was = c->cr0 & CR0_PG;
    if (on && !was && (c->efer & EFER_LME)) {
        if (!(c->cr4 & CR4_PAE) || (c->seg[SEG_CS].attr & ATTR_L))
            x86_raise_gp(c, 0);
        c->efer |= EFER_LMA;
    } else if (!on && was && x86_long_mode(c)) {
        if (c->code_mode == 64 || (c->cr4 & CR4_PCIDE))
            x86_raise_gp(c, 0);
        c->efer &= ~(uint64_t)EFER_LMA;
    }
}

void x86_write_cr0(struct x86_cpu *c, uint64_t v)
{
    if (v >> 32 || ((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD)))
        x86_raise_gp(c, 0);
    v = (v & (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |
              CR0_PG)) |
        CR0_ET;
    uint64_t changed = c->cr0 ^ v;
    if (changed & CR0_PG)
        paging_switch(c, v);
    c->cr0 = v;
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        c->slow->flush_all(c, false);
    x86_update_mode(c);
    c->slow->context_changed(c);
}

void x86_write_cr3(struct x86_cpu *c, uint64_t v)
{
    bool keep = (c->cr4 & CR4_PCIDE) && v >> 63;
    if (keep)
        v &= ~(UINT64_C(1) << 63);
    if (x86_long_mode(c) && v >> c->model->phys_bits)
        x86_raise_gp(c, 0);
    c->cr3 = v;
    /* The engine tags its TLB by CR3; with the no-flush bit old entries of the new one may live. */
    if (!keep && (c->cr4 & CR4_PCIDE))
        c->slow->flush_pcid(c, v & 0xfff, true);
    else if (!keep)
        c->slow->flush_all(c, true);
    else
        c->slow->context_changed(c);
}

void x86_write_cr4(struct x86_cpu *c, uint64_t v)
{
    uint64_t changed = c->cr4 ^ v;
    if (v & ~x86_cr4_mask(c))
        x86_raise_gp(c, 0);
    if (x86_long_mode(c) && !(v & CR4_PAE))
        x86_raise_gp(c, 0);
    if ((v & changed & CR4_PCIDE) && (!x86_long_mode(c) || (c->cr3 & 0xfff)))
        x86_raise_gp(c, 0);
    c->cr4 = v;
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP))
        c->slow->flush_all(c, false);
    x86_debug_update(c);
    x86_update_mode(c);
    c->slow->context_changed(c);
}

static bool write_efer(struct x86_cpu *c, uint64_t v)
{
    uint64_t allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    if (v & ~allowed)
        return false;
    if (((v ^ c->efer) & EFER_LME) && (c->cr0 & CR0_PG))
        return false;
    uint64_t changed = c->efer ^ v;
    c->efer = (v & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
    if (changed & EFER_NXE)
        c->slow->flush_all(c, false);
    return true;
}

static bool valid_pat(uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned t = (v >> (8 * i)) & 0xff;
        if (t > 7 || t == 2 || t == 3)
            return false;
    }
    return true;
}

/* MTRR fixed-range MSRs in the order of mtrr_fixed[]; -1: not one. */
static int mtrr_fixed_index(uint32_t msr)
{
    switch (msr) {
    case MSR_MTRR_FIX64K:
        return 0;
    case MSR_MTRR_FIX16K_80000:
    case MSR_MTRR_FIX16K_A0000:
        return (int)(1 + msr - MSR_MTRR_FIX16K_80000);
    default:
        if (msr >= MSR_MTRR_FIX4K_C0000 && msr <= MSR_MTRR_FIX4K_F8000)
            return (int)(3 + msr - MSR_MTRR_FIX4K_C0000);
        return -1;
    }
}

/* A plain register behind an MSR, or NULL. `check`: how its value is constrained. */
static uint64_t *plain_msr(struct x86_cpu *c, uint32_t msr, bool *must_be_canonical)
{
    *must_be_canonical = false;
    if (msr >= MSR_MTRR_PHYSBASE0 && msr <= MSR_MTRR_PHYSMASK7)
        return &c->mtrr_var[msr - MSR_MTRR_PHYSBASE0];
    if (mtrr_fixed_index(msr) >= 0)
        return &c->mtrr_fixed[mtrr_fixed_index(msr)];
    switch (msr) {
    case MSR_STAR:
        return &c->star;
    case MSR_FMASK:
        return &c->fmask;
    case MSR_SYSENTER_CS:
        return &c->sysenter_cs;
    case MSR_MISC_ENABLE:
        return &c->misc_enable;
    case MSR_MTRR_DEF_TYPE:
        return &c->mtrr_def_type;
    case MSR_TSC_AUX:
        return &c->tsc_aux;
    case MSR_SPEC_CTRL:
        return &c->spec_ctrl;
    default:
        break;
    }
    *must_be_canonical = true;
    switch (msr) {
    case MSR_LSTAR:
        return &c->lstar;
    case MSR_CSTAR:
        return &c->cstar;
    case MSR_SYSENTER_ESP:
        return &c->sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &c->sysenter_eip;
    case MSR_FS_BASE:
        return &c->seg[SEG_FS].base;
    case MSR_GS_BASE:
        return &c->seg[SEG_GS].base;
    case MSR_KERNEL_GS_BASE:
        return &c->kernel_gs_base;
    default:
        return NULL;
    }
}

static bool is_apic_msr(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
           (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

bool x86_msr_read(struct x86_cpu *c, uint32_t msr, uint64_t *v)
{
    bool canon;
    uint64_t *reg = plain_msr(c, msr, &canon);
    if (reg) {
        *v = *reg;
        return true;
    }
    if (is_apic_msr(msr))
        return c->env.apic_msr_read(c->env.irq, msr, v);
    switch (msr) {
    case MSR_TSC:
        *v = x86_tsc(c);
        return true;
    case MSR_EFER:
        *v = c->efer;
        return true;
    case MSR_PAT:
        *v = c->pat;
        return true;
    case MSR_MTRRCAP:
        *v = 0x508; /* 8 variable ranges, fixed ranges, write-combining */
        return true;
    case MSR_ARCH_CAPABILITIES:
        *v = CPUID_ARCH_CAPABILITIES;
        return true;
    case MSR_BIOS_SIGN:
        *v = UINT64_C(0xffffffff) << 32; /* newest microcode there can be: nothing to load */
        return true;
    case MSR_FEATURE_CONTROL:
        *v = 1; /* locked: there is no VMX to enable */
        return true;
    case MSR_TSC_ADJUST:
        *v = c->tsc_adjust;
        return true;
    case MSR_PLATFORM_ID:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_DEBUGCTL:
        *v = 0;
        return true;
    default:
        return false;
    }
}

/* The counter and IA32_TSC_ADJUST move together [SDM 3B 18.17.3]. */
static void move_tsc(struct x86_cpu *c, uint64_t by)
{
    c->tsc_offset += by;
    c->tsc_adjust += by;
    c->env.tsc_changed(c->env.irq);
}

bool x86_msr_write(struct x86_cpu *c, uint32_t msr, uint64_t v)
{
    bool canon;
    uint64_t *reg = plain_msr(c, msr, &canon);
    if (reg) {
        bool narrow = msr == MSR_FMASK || msr == MSR_TSC_AUX;
        if ((canon && !x86_canonical(v)) || (narrow && v >> 32))
            return false;
        *reg = v;
        return true;
    }
    if (is_apic_msr(msr))
        return c->env.apic_msr_write(c->env.irq, msr, v);
    switch (msr) {
    case MSR_TSC:
        move_tsc(c, v - x86_tsc(c));
        return true;
    case MSR_TSC_ADJUST:
        move_tsc(c, v - c->tsc_adjust);
        return true;
    case MSR_EFER:
        return write_efer(c, v);
    case MSR_PAT:
        if (!valid_pat(v))
            return false;
        c->pat = v;
        return true;
    case MSR_PRED_CMD:
    case MSR_FLUSH_CMD:
    case MSR_BIOS_UPDT:
    case MSR_BIOS_SIGN:
    case MSR_MCG_STATUS:
    case MSR_DEBUGCTL:
        return true;
    default:
        return false;
    }
}
