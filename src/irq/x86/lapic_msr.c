/*
 * Local APIC: the x2APIC MSRs, and the modes of IA32_APIC_BASE. [SDM 3A 11.4.3, 11.12]
 *
 * Unlike the MMIO page, this door answers every reserved bit with #GP.
 */
#include "irq/x86/lapic_regs.h"

enum { MSR_BASE = 0x1b, MSR_DEADLINE = 0x6e0, MSR_X2_FIRST = 0x800, MSR_X2_LAST = 0x8ff };

/* Bits a WRMSR may carry; the rest is #GP. Zero for registers that must be written with zero. */
static bool x2_writable(const struct lapic *l, unsigned reg, uint64_t *bits)
{
    switch (reg) {
    case REG_TPR:
    case REG_SELF_IPI:
        *bits = 0xff;
        return true;
    case REG_EOI:
    case REG_ESR:
        *bits = 0;
        return true;
    case REG_SVR:
        *bits = lapic_svr_bits(l);
        return true;
    case REG_ICR:
        *bits = UINT64_C(0xffffffff000ccfff);
        return true;
    case REG_LVT ... REG_LVT + LAPIC_LVTS - 1:
        *bits =
            lapic_lvt_bits(reg - REG_LVT) | 1u << 12; /* delivery status: ignored, not reserved */
        return true;
    case REG_TIMER_INITIAL:
        *bits = 0xffffffff;
        return true;
    case REG_TIMER_DIVIDE:
        *bits = 0xb;
        return true;
    default:
        return false;
    }
}

static bool x2_write(struct lapic *l, unsigned reg, uint64_t val)
{
    uint64_t bits;

    if (!x2_writable(l, reg, &bits) || val & ~bits)
        return false;
    switch (reg) {
    case REG_ICR:
        l->icr = val;
        lapic_send_icr(l, val);
        return true;
    case REG_SELF_IPI:
        lapic_send_icr(l, 1u << 18 | val);
        return true;
    default:
        return lapic_reg_write(l, reg, (uint32_t)val);
    }
}

static bool x2_read(struct lapic *l, unsigned reg, uint64_t *val)
{
    uint32_t v;

    if (reg == REG_ICR) {
        *val = l->icr;
        return true;
    }
    if (!lapic_reg_read(l, reg, &v))
        return false;
    *val = v;
    return true;
}

/*
 * Allowed: off to xAPIC, xAPIC to x2APIC, anything enabled to off. Anything else, and x2APIC
 * without enable, is #GP. [SDM 3A 11.12.5, figure 11-29]
 */
static bool mode_change_ok(uint64_t old, uint64_t val)
{
    bool en = val & BASE_ENABLE, x2 = val & BASE_X2APIC;

    if (!en)
        return !x2;
    if (!(old & BASE_ENABLE))
        return !x2;
    return x2 || !(old & BASE_X2APIC);
}

static bool write_base(struct lapic *l, uint64_t val)
{
    uint64_t old = atomic_load(&l->apic_base);

    if (val & ~(BASE_ADDR | BASE_ENABLE | BASE_X2APIC | BASE_BSP) || !mode_change_ok(old, val))
        return false;
    val = (val & ~BASE_BSP) | (old & BASE_BSP); /* who booted does not change */
    if (old & BASE_ENABLE && !(val & BASE_ENABLE))
        lapic_take_init(l); /* it comes back as after power-up [SDM 3A 11.4.3] */
    atomic_store(&l->apic_base, val);
    return true;
}

bool lapic_msr_read(struct lapic *l, uint32_t msr, uint64_t *val)
{
    switch (msr) {
    case MSR_BASE:
        *val = atomic_load(&l->apic_base);
        return true;
    case MSR_DEADLINE:
        *val = lapic_timer_deadline(l);
        return true;
    default:
        return msr >= MSR_X2_FIRST && msr <= MSR_X2_LAST && lapic_mode(l) == LAPIC_X2APIC &&
               x2_read(l, msr - MSR_X2_FIRST, val);
    }
}

bool lapic_msr_write(struct lapic *l, uint32_t msr, uint64_t val)
{
    switch (msr) {
    case MSR_BASE:
        return write_base(l, val);
    case MSR_DEADLINE:
        lapic_timer_set_deadline(l, val);
        return true;
    default:
        return msr >= MSR_X2_FIRST && msr <= MSR_X2_LAST && lapic_mode(l) == LAPIC_X2APIC &&
               x2_write(l, msr - MSR_X2_FIRST, val);
    }
}
