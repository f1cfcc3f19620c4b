/*
 * Local APIC: its saved state, and the register page that KVM keeps it in.
 */
#include "irq/x86/lapic_regs.h"

#include <errno.h>
#include <string.h>

static int lapic_post_load(void *obj, struct error *err)
{
    struct lapic *l = obj;

    if (atomic_load(&l->irr[0]) & 0xffff || l->isr[0] & 0xffff)
        return error_set(err, EINVAL, "the local APIC of CPU %u holds an illegal vector", l->id);
    lapic_rebuild(l);
    return 0;
}

#define STATE_OWNER struct lapic
STATE_DESC(lapic_state, "lapic", 1, LAPIC_STATE, .post_load = lapic_post_load);
#undef STATE_OWNER

static void put(uint8_t *page, unsigned reg, uint32_t v)
{
    memcpy(page + reg * 16, &v, sizeof(v));
}

static uint32_t get(const uint8_t *page, unsigned reg)
{
    uint32_t v;

    memcpy(&v, page + reg * 16, sizeof(v));
    return v;
}

void lapic_to_page(struct lapic *l, uint8_t page[LAPIC_PAGE_BYTES])
{
    bool x2 = lapic_mode(l) == LAPIC_X2APIC;

    memset(page, 0, LAPIC_PAGE_BYTES);
    put(page, REG_ID, l->id << 24);
    put(page, REG_VERSION, 0x14 | (LAPIC_LVTS - 1) << 16);
    put(page, REG_TPR, atomic_load(&l->tpr));
    put(page, REG_PPR, l->ppr);
    put(page, REG_LDR, x2 ? lapic_x2apic_ldr(l) : atomic_load(&l->ldr));
    put(page, REG_DFR, atomic_load(&l->dfr));
    put(page, REG_SVR, atomic_load(&l->svr));
    for (unsigned w = 0; w < 8; w++) {
        put(page, REG_ISR + w, l->isr[w]);
        put(page, REG_TMR + w, atomic_load(&l->tmr[w]));
        put(page, REG_IRR + w, atomic_load(&l->irr[w]));
    }
    put(page, REG_ESR, l->esr);
    put(page, REG_ICR, (uint32_t)l->icr);
    put(page, REG_ICR_HIGH, (uint32_t)(l->icr >> 32));
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        put(page, REG_LVT + i, atomic_load(&l->lvt[i]));
    put(page, REG_TIMER_INITIAL, l->timer_initial);
    put(page, REG_TIMER_CURRENT, lapic_timer_current(l));
    put(page, REG_TIMER_DIVIDE, l->timer_divide);
}

static void vectors_from_page(struct lapic *l, const uint8_t *page)
{
    for (unsigned w = 0; w < 8; w++) {
        l->isr[w] = get(page, REG_ISR + w);
        atomic_store(&l->tmr[w], get(page, REG_TMR + w));
        atomic_store(&l->irr[w], get(page, REG_IRR + w));
    }
}

int lapic_from_page(struct lapic *l, const uint8_t page[LAPIC_PAGE_BYTES], struct error *err)
{
    vectors_from_page(l, page);
    atomic_store(&l->tpr, (uint8_t)get(page, REG_TPR));
    if (lapic_mode(l) != LAPIC_X2APIC)
        atomic_store(&l->ldr, get(page, REG_LDR));
    atomic_store(&l->dfr, get(page, REG_DFR));
    atomic_store(&l->svr, get(page, REG_SVR));
    l->esr = get(page, REG_ESR);
    atomic_store(&l->esr_pending, 0);
    l->icr = (uint64_t)get(page, REG_ICR_HIGH) << 32 | get(page, REG_ICR);
    for (unsigned i = 0; i < LAPIC_LVTS; i++)
        atomic_store(&l->lvt[i], get(page, REG_LVT + i));
    l->timer_initial = get(page, REG_TIMER_INITIAL);
    l->timer_divide = get(page, REG_TIMER_DIVIDE) & 0xb;
    lapic_timer_set_current(l, get(page, REG_TIMER_CURRENT));
    return lapic_post_load(l, err);
}
