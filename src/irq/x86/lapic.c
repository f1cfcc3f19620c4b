/*
 * Local APIC: its registers, and the MMIO page as one door to them. [SDM 3A 11.4]
 *
 * The other door, x2APIC MSRs, is in lapic_msr.c; both use the same register numbers. This one
 * forgives, as hardware does, and records bad registers in ESR.
 */
#include "irq/x86/lapic_regs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Version 0x14 with six LVT entries, as KVM's; EOI suppression where the IOAPIC has an EOI register
 */
static uint32_t version(const struct lapic *l)
{
    return 0x14 | (LAPIC_LVTS - 1) << 16 | (l->bus->directed_eoi ? 1u << 24 : 0);
}

/* Bits a guest may set in each LVT entry [SDM 3A figure 11-8] */
uint32_t lapic_lvt_bits(unsigned lvt)
{
    static const uint32_t bits[LAPIC_LVTS] = {
        [LVT_TIMER] = 0x600ff | LVT_MASKED, [LVT_THERMAL] = 0x7ff | LVT_MASKED,
        [LVT_PERF] = 0x7ff | LVT_MASKED,    [LVT_LINT0] = 0xa7ff | LVT_MASKED,
        [LVT_LINT1] = 0xa7ff | LVT_MASKED,  [LVT_ERROR] = 0xff | LVT_MASKED,
    };
    return bits[lvt];
}

uint32_t lapic_svr_bits(const struct lapic *l)
{
    return 0x1ff | (l->bus->directed_eoi ? SVR_SUPPRESS_EOI : 0);
}

static uint32_t read_id(const struct lapic *l)
{
    return lapic_mode(l) == LAPIC_X2APIC ? l->id : l->id << 24;
}

static uint32_t read_ldr(const struct lapic *l)
{
    return lapic_mode(l) == LAPIC_X2APIC ? lapic_x2apic_ldr(l) : atomic_load(&l->ldr);
}

bool lapic_reg_read(struct lapic *l, unsigned reg, uint32_t *val)
{
    switch (reg) {
    case REG_ID:
        *val = read_id(l);
        return true;
    case REG_VERSION:
        *val = version(l);
        return true;
    case REG_TPR:
        *val = atomic_load(&l->tpr);
        return true;
    case REG_PPR:
        *val = l->ppr;
        return true;
    case REG_LDR:
        *val = read_ldr(l);
        return true;
    case REG_SVR:
        *val = atomic_load(&l->svr);
        return true;
    case REG_ISR ... REG_ISR + 7:
        *val = l->isr[reg - REG_ISR];
        return true;
    case REG_TMR ... REG_TMR + 7:
        *val = atomic_load(&l->tmr[reg - REG_TMR]);
        return true;
    case REG_IRR ... REG_IRR + 7:
        *val = atomic_load(&l->irr[reg - REG_IRR]);
        return true;
    case REG_ESR:
        *val = l->esr;
        return true;
    case REG_ICR:
        *val = (uint32_t)l->icr;
        return true;
    case REG_LVT ... REG_LVT + LAPIC_LVTS - 1:
        *val = atomic_load(&l->lvt[reg - REG_LVT]);
        return true;
    case REG_TIMER_INITIAL:
        *val = l->timer_initial;
        return true;
    case REG_TIMER_CURRENT:
        *val = lapic_timer_current(l);
        return true;
    case REG_TIMER_DIVIDE:
        *val = l->timer_divide;
        return true;
    default:
        return false;
    }
}

/* Software disable masks the local sources and they stay masked [SDM 3A 11.4.7.2]. */
static void mask_lvts(struct lapic *l)
{
    for (unsigned i = 0; i < LAPIC_LVTS; i++) {
        uint32_t v = atomic_load(&l->lvt[i]) | LVT_MASKED;

        if (i == LVT_TIMER)
            lapic_timer_set_lvt(l, v);
        else
            atomic_store(&l->lvt[i], v);
    }
}

static void write_svr(struct lapic *l, uint32_t val)
{
    atomic_store(&l->svr, val & lapic_svr_bits(l));
    if (!(val & SVR_ENABLE))
        mask_lvts(l);
}

static void write_lvt(struct lapic *l, unsigned lvt, uint32_t val)
{
    val &= lapic_lvt_bits(lvt);
    if (!(atomic_load(&l->svr) & SVR_ENABLE))
        val |= LVT_MASKED;
    if (lvt == LVT_TIMER)
        lapic_timer_set_lvt(l, val);
    else
        atomic_store(&l->lvt[lvt], val);
}

/* Registers that both doors write alike. */
bool lapic_reg_write(struct lapic *l, unsigned reg, uint32_t val)
{
    switch (reg) {
    case REG_TPR:
        lapic_set_tpr(l, (uint8_t)val);
        return true;
    case REG_EOI:
        lapic_eoi(l);
        return true;
    case REG_SVR:
        write_svr(l, val);
        return true;
    case REG_ESR: /* a write makes what was collected readable [SDM 3A 11.5.3] */
        l->esr = atomic_exchange(&l->esr_pending, 0);
        return true;
    case REG_LVT ... REG_LVT + LAPIC_LVTS - 1:
        write_lvt(l, reg - REG_LVT, val);
        return true;
    case REG_TIMER_INITIAL:
        lapic_timer_set_initial(l, val);
        return true;
    case REG_TIMER_DIVIDE:
        lapic_timer_set_divide(l, val);
        return true;
    default:
        return false;
    }
}

/* ---- the MMIO page (xAPIC) ---- */

bool lapic_claims(const struct lapic *l, uint64_t gpa)
{
    uint64_t base = atomic_load_explicit(&l->apic_base, memory_order_relaxed);

    return (gpa & BASE_ADDR) == (base & BASE_ADDR) && lapic_mode(l) == LAPIC_XAPIC;
}

static bool mmio_reg_read(struct lapic *l, unsigned reg, uint32_t *val)
{
    switch (reg) {
    case REG_APR: /* arbitration and remote read went with the APIC's own bus */
    case REG_RRD:
    case REG_EOI:
        *val = 0;
        return true;
    case REG_DFR:
        *val = atomic_load(&l->dfr);
        return true;
    case REG_ICR_HIGH:
        *val = (uint32_t)(l->icr >> 32);
        return true;
    default:
        return lapic_reg_read(l, reg, val);
    }
}

/* The xAPIC's 8-bit destination in the x2APIC's place. */
static uint64_t widen_icr(uint64_t icr)
{
    uint64_t dest = icr >> 56;

    if (dest == 0xff)
        dest = LAPIC_BROADCAST;
    return dest << 32 | (uint32_t)icr;
}

static bool mmio_reg_write(struct lapic *l, unsigned reg, uint32_t val)
{
    switch (reg) {
    case REG_ID: /* read-only since the Pentium 4 */
    case REG_VERSION:
    case REG_APR:
    case REG_PPR:
    case REG_RRD:
    case REG_TIMER_CURRENT:
        return true;
    case REG_LDR:
        atomic_store(&l->ldr, val & 0xff000000);
        return true;
    case REG_DFR:
        atomic_store(&l->dfr, val | 0x0fffffff);
        return true;
    case REG_ICR_HIGH:
        l->icr = (uint64_t)(val & 0xff000000) << 32 | (uint32_t)l->icr;
        return true;
    case REG_ICR:
        l->icr = (l->icr & ~UINT64_C(0xffffffff)) | (val & 0xccfff);
        lapic_send_icr(l, widen_icr(l->icr));
        return true;
    default:
        return lapic_reg_write(l, reg, val);
    }
}

/* Registers sit 16 bytes apart; only their own four bytes mean anything [SDM 3A 11.4.1]. */
enum io_status lapic_mmio_read(struct lapic *l, uint64_t off, unsigned size, uint64_t *val)
{
    uint32_t v = 0;

    *val = 0;
    if ((off & 15) + size > 4)
        return IO_OK;
    if (!mmio_reg_read(l, (off & 0xfff) >> 4, &v))
        lapic_error(l, ESR_BAD_REGISTER);
    *val = v >> (off & 3) * 8;
    if (size < 4)
        *val &= (1u << size * 8) - 1;
    return IO_OK;
}

enum io_status lapic_mmio_write(struct lapic *l, uint64_t off, unsigned size, uint64_t val)
{
    if (off & 15 || size != 4)
        return IO_OK; /* undefined on hardware: dropped */
    if (!mmio_reg_write(l, (off & 0xfff) >> 4, (uint32_t)val))
        lapic_error(l, ESR_BAD_REGISTER);
    return IO_OK;
}

/* ---- life ---- */

static void clear_vectors(struct lapic *l)
{
    for (unsigned w = 0; w < 8; w++) {
        atomic_store(&l->irr[w], 0);
        atomic_store(&l->tmr[w], 0);
        l->isr[w] = 0;
    }
}

/* [SDM 3A 11.4.7.1]; dev.lock held. Input levels are the wires' and stay. */
void lapic_reset_regs(struct lapic *l)
{
    clear_vectors(l);
    atomic_store(&l->ldr, 0);
    atomic_store(&l->dfr, UINT32_MAX);
    atomic_store(&l->svr, 0xff);
    atomic_store(&l->tpr, 0);
    l->esr = 0;
    atomic_store(&l->esr_pending, 0);
    l->icr = 0;
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        atomic_store(&l->lvt[i], LVT_MASKED);
    /* Virtual wire, as firmware hands the boot processor over: the PIC interrupts by LINT0. */
    if (atomic_load(&l->apic_base) & BASE_BSP)
        atomic_store(&l->lvt[LVT_LINT0], DM_EXTINT << 8);
    l->timer_initial = 0;
    l->timer_divide = 0;
    l->timer_expiry = 0;
    l->tsc_deadline = 0;
    lapic_timer_arm(l);
    lapic_rebuild(l);
}

void lapic_take_init(struct lapic *l)
{
    pthread_mutex_lock(&l->dev.lock);
    lapic_reset_regs(l);
    pthread_mutex_unlock(&l->dev.lock);
}

static void lapic_reset(struct dev *d)
{
    struct lapic *l = container_of(d, struct lapic, dev);

    atomic_store(&l->apic_base, LAPIC_DEFAULT_BASE | BASE_ENABLE | (l->id ? 0 : BASE_BSP));
    lapic_reset_regs(l);
}

static void lapic_quiesce(struct dev *d)
{
    struct lapic *l = container_of(d, struct lapic, dev);

    pthread_mutex_lock(&d->lock);
    l->parked = true;
    lapic_timer_arm(l);
    pthread_mutex_unlock(&d->lock);
}

static void lapic_resume(struct dev *d)
{
    struct lapic *l = container_of(d, struct lapic, dev);

    pthread_mutex_lock(&d->lock);
    l->parked = false;
    lapic_timer_arm(l);
    pthread_mutex_unlock(&d->lock);
    if (!l->bus->in_engine)
        lapic_kick(l, LAPIC_KICK_INTERRUPT, 0); /* look at what a loaded state holds */
}

static void lapic_destroy(struct dev *d)
{
    struct lapic *l = container_of(d, struct lapic, dev);

    evloop_timer_stop(&l->timer);
    l->bus->cpu[l->id] = NULL;
    dev_free(d);
}

static const struct dev_class lapic_class = {
    .name = "lapic",
    .state = &lapic_state,
    .reset = lapic_reset,
    .quiesce = lapic_quiesce,
    .resume = lapic_resume,
    .destroy = lapic_destroy,
};

int lapic_create(struct lapic **out, const struct dev_host *host, struct lapic_bus *bus)
{
    struct lapic *l;
    char id[32];

    if (bus->n >= LAPIC_MAX_CPUS)
        return -ENOSPC;
    l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->bus = bus;
    l->id = bus->n;
    snprintf(id, sizeof(id), "lapic%u", l->id);
    dev_init(&l->dev, &lapic_class, host, id);
    evloop_timer_init(&l->timer, host->loop, lapic_timer_fired, l);
    lapic_reset(&l->dev);
    bus->cpu[bus->n++] = l;
    *out = l;
    return 0;
}
