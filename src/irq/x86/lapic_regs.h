/*
 * Private to lapic*.c: register numbers and bits, and what the parts call in each other.
 */
#ifndef DOPPEL_IRQ_X86_LAPIC_REGS_H
#define DOPPEL_IRQ_X86_LAPIC_REGS_H

#include "irq/x86/lapic.h"

/* Register number = MMIO offset / 16 = x2APIC MSR - 0x800 [SDM 3A table 11-1, 11-6] */
enum lapic_reg {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_RRD = 0x0c,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32, /* six in the order of LVT_TIMER .. LVT_ERROR */
    REG_TIMER_INITIAL = 0x38,
    REG_TIMER_CURRENT = 0x39,
    REG_TIMER_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f,
};

#define BASE_BSP    (UINT64_C(1) << 8)
#define BASE_X2APIC (UINT64_C(1) << 10)
#define BASE_ENABLE (UINT64_C(1) << 11)
#define BASE_ADDR   UINT64_C(0x000ffffffffff000)

#define SVR_ENABLE       (1u << 8)
#define SVR_SUPPRESS_EOI (1u << 12)

#define LVT_MASKED        (1u << 16)
#define LVT_MODE(v)       (((v) >> 8) & 7)
#define LVT_TIMER_MODE(v) (((v) >> 17) & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

#define ESR_SEND_ILLEGAL (1u << 5)
#define ESR_RECV_ILLEGAL (1u << 6)
#define ESR_BAD_REGISTER (1u << 7)

#define ICR_LEVEL_ASSERT  (1u << 14)
#define ICR_TRIGGER_LEVEL (1u << 15)

enum lapic_mode { LAPIC_OFF, LAPIC_XAPIC, LAPIC_X2APIC };

static inline enum lapic_mode lapic_mode(const struct lapic *l)
{
    uint64_t base = atomic_load_explicit(&l->apic_base, memory_order_relaxed);

    if (!(base & BASE_ENABLE))
        return LAPIC_OFF;
    return base & BASE_X2APIC ? LAPIC_X2APIC : LAPIC_XAPIC;
}

static inline uint32_t lapic_x2apic_ldr(const struct lapic *l)
{
    return (l->id >> 4) << 16 | 1u << (l->id & 15); /* [SDM 3A 11.12.10.2] */
}

/* lapic.c; the register functions serve both doors, false: no such register there */
bool lapic_reg_read(struct lapic *l, unsigned reg, uint32_t *val);
bool lapic_reg_write(struct lapic *l, unsigned reg, uint32_t val);
uint32_t lapic_lvt_bits(unsigned lvt); /* that a guest may set */
uint32_t lapic_svr_bits(const struct lapic *l);
void lapic_reset_regs(struct lapic *l); /* dev.lock held */

/* lapic_intr.c */
void lapic_accept(struct lapic *l, uint8_t vector, bool level); /* any thread */
void lapic_lvt_deliver(struct lapic *l, unsigned lvt);          /* any thread */
void lapic_error(struct lapic *l, uint32_t esr_bit);            /* any thread */
void lapic_kick(struct lapic *l, enum lapic_kick what, uint8_t vector);
void lapic_set_tpr(struct lapic *l, uint8_t tpr);
void lapic_eoi(struct lapic *l);
void lapic_rebuild(struct lapic *l); /* PPR and irr_words from TPR, ISR, IRR */

/* lapic_bus.c */
void lapic_send_icr(struct lapic *l, uint64_t icr); /* destination in the x2APIC's place */

/* lapic_timer.c: all take dev.lock but those that say so. */
void lapic_timer_set_lvt(struct lapic *l, uint32_t v);
void lapic_timer_set_initial(struct lapic *l, uint32_t v);
void lapic_timer_set_divide(struct lapic *l, uint32_t v);
uint32_t lapic_timer_current(struct lapic *l);
void lapic_timer_set_deadline(struct lapic *l, uint64_t tsc);
uint64_t lapic_timer_deadline(struct lapic *l);
void lapic_timer_set_current(struct lapic *l, uint32_t count); /* load from a KVM page */
void lapic_timer_arm(struct lapic *l);                         /* dev.lock held */
void lapic_timer_fired(void *opaque);                          /* event loop */

#endif
