/*
 * Local APIC: from a message that arrives to a vector the CPU takes, and back by EOI.
 *
 * Invariants
 * 1. A bit of IRR is set before its bit of irr_words; the owner clears a bit of irr_words only to
 *    look at the word once more. So a set IRR bit is never overlooked for long: whoever set it
 *    kicks after both.
 * 2. TMR is settled before IRR, so that the EOI of a taken vector knows how it came.
 * 3. PPR always equals what TPR and ISR say; both change on the owner's thread only.
 */
#include "irq/x86/lapic_regs.h"

enum { FIRST_VECTOR = 16 }; /* 0-15 are not for interrupts [SDM 3A 11.5.2] */

void lapic_kick(struct lapic *l, enum lapic_kick what, uint8_t vector)
{
    l->bus->ops->kick(l->bus->opaque, l->id, what, vector);
}

static void set_trigger(struct lapic *l, unsigned word, uint32_t bit, bool level)
{
    bool is = atomic_load_explicit(&l->tmr[word], memory_order_relaxed) & bit;

    if (is == level)
        return; /* the common case costs no locked instruction */
    if (level)
        atomic_fetch_or(&l->tmr[word], bit);
    else
        atomic_fetch_and(&l->tmr[word], ~bit);
}

void lapic_accept(struct lapic *l, uint8_t vector, bool level)
{
    unsigned word = vector / 32;
    uint32_t bit = 1u << vector % 32, old;

    if (vector < FIRST_VECTOR) {
        lapic_error(l, ESR_RECV_ILLEGAL);
        return;
    }
    set_trigger(l, word, bit, level);
    old = atomic_fetch_or(&l->irr[word], bit);
    atomic_fetch_or(&l->irr_words, 1u << word);
    if (!(old & bit))
        lapic_kick(l, LAPIC_KICK_INTERRUPT, 0);
}

/*
 * Record an error and raise the error interrupt. An illegal vector in the error LVT itself is only
 * recorded: raising it would come back here for ever. [SDM 3A 11.5.3]
 */
void lapic_error(struct lapic *l, uint32_t esr_bit)
{
    uint32_t old = atomic_fetch_or(&l->esr_pending, esr_bit);
    uint32_t lvt = atomic_load(&l->lvt[LVT_ERROR]);

    if (old & esr_bit || lvt & LVT_MASKED)
        return;
    if ((uint8_t)lvt < FIRST_VECTOR)
        atomic_fetch_or(&l->esr_pending, ESR_RECV_ILLEGAL);
    else
        lapic_accept(l, (uint8_t)lvt, false);
}

void lapic_lvt_deliver(struct lapic *l, unsigned lvt)
{
    uint32_t v = atomic_load(&l->lvt[lvt]);

    if (v & LVT_MASKED)
        return;
    switch (lvt == LVT_TIMER || lvt == LVT_ERROR ? DM_FIXED : LVT_MODE(v)) {
    case DM_FIXED:
        lapic_accept(l, (uint8_t)v, false);
        break;
    case DM_NMI:
        lapic_kick(l, LAPIC_KICK_NMI, 0);
        break;
    case DM_INIT:
        lapic_kick(l, LAPIC_KICK_INIT, 0);
        break;
    case DM_EXTINT:
        lapic_kick(l, LAPIC_KICK_INTERRUPT, 0); /* lapic_pending() asks the line */
        break;
    default: /* SMI: the machine has no system management mode */
        break;
    }
}

void lapic_lint_set(struct lapic *l, unsigned pin, bool level)
{
    bool was = atomic_exchange(&l->lint[pin & 1], level);

    if (!level || was)
        return;
    if (lapic_mode(l) != LAPIC_OFF)
        lapic_lvt_deliver(l, pin & 1 ? LVT_LINT1 : LVT_LINT0);
    else /* without an APIC the pins are INTR and NMI [SDM 3A 11.4.3] */
        lapic_kick(l, pin & 1 ? LAPIC_KICK_NMI : LAPIC_KICK_INTERRUPT, 0);
}

static bool extint_ready(const struct lapic *l)
{
    uint32_t lvt;

    if (likely(!atomic_load_explicit(&l->lint[0], memory_order_acquire)))
        return false;
    lvt = atomic_load_explicit(&l->lvt[LVT_LINT0], memory_order_relaxed);
    return lapic_mode(l) == LAPIC_OFF || (!(lvt & LVT_MASKED) && LVT_MODE(lvt) == DM_EXTINT);
}

static unsigned top_bit(uint32_t v)
{
    return 31 - (unsigned)__builtin_clz(v);
}

static int highest_irr(struct lapic *l)
{
    uint32_t words, bits;
    unsigned w;

    /* Acquire: pairs with the setter, whose IRR bit comes before its summary bit. */
    while ((words = atomic_load_explicit(&l->irr_words, memory_order_acquire))) {
        w = top_bit(words);
        bits = atomic_load_explicit(&l->irr[w], memory_order_relaxed);
        if (bits)
            return (int)(w * 32 + top_bit(bits));
        atomic_fetch_and(&l->irr_words, ~(1u << w));
        if (atomic_load(&l->irr[w])) /* set behind our back: invariant 1 */
            atomic_fetch_or(&l->irr_words, 1u << w);
    }
    return -1;
}

static int highest_isr(const struct lapic *l)
{
    for (int w = 7; w >= 0; w--)
        if (l->isr[w])
            return w * 32 + (int)top_bit(l->isr[w]);
    return -1;
}

/* [SDM 3A 11.8.3.1] */
static void update_ppr(struct lapic *l)
{
    int isrv = highest_isr(l);
    uint8_t class = isrv < 0 ? 0 : (uint8_t)isrv & 0xf0;
    uint8_t tpr = atomic_load_explicit(&l->tpr, memory_order_relaxed);

    l->ppr = (tpr & 0xf0) >= class ? tpr : class;
}

static int deliverable(struct lapic *l)
{
    int v = highest_irr(l);

    return v >= 0 && v >> 4 > l->ppr >> 4 ? v : -1;
}

bool lapic_pending_by_priority(struct lapic *l)
{
    return deliverable(l) >= 0 || extint_ready(l);
}

int lapic_ack(struct lapic *l)
{
    int v;

    if (unlikely(extint_ready(l))) {
        v = l->bus->ops->extint_ack(l->bus->opaque);
        if (v >= 0)
            return v;
    }
    v = deliverable(l);
    if (v < 0)
        return -1;
    atomic_fetch_and(&l->irr[v / 32], ~(1u << v % 32));
    l->isr[v / 32] |= 1u << v % 32;
    update_ppr(l);
    return v;
}

/* The priority may have fallen: make the engine look again. */
static void reconsider(struct lapic *l)
{
    if (lapic_pending(l))
        lapic_kick(l, LAPIC_KICK_INTERRUPT, 0);
}

void lapic_eoi(struct lapic *l)
{
    int v = highest_isr(l);

    if (v < 0)
        return;
    l->isr[v / 32] &= ~(1u << v % 32);
    update_ppr(l);
    if (atomic_load(&l->tmr[v / 32]) & 1u << v % 32 && !(atomic_load(&l->svr) & SVR_SUPPRESS_EOI))
        l->bus->ops->eoi(l->bus->opaque, (uint8_t)v);
    reconsider(l);
}

void lapic_set_tpr(struct lapic *l, uint8_t tpr)
{
    atomic_store(&l->tpr, tpr);
    update_ppr(l);
    reconsider(l);
}

uint64_t lapic_cr8(const struct lapic *l)
{
    return atomic_load_explicit(&l->tpr, memory_order_relaxed) >> 4;
}

void lapic_set_cr8(struct lapic *l, uint64_t v)
{
    lapic_set_tpr(l, (uint8_t)((v & 15) << 4));
}

void lapic_rebuild(struct lapic *l)
{
    uint32_t words = 0;

    for (unsigned w = 0; w < 8; w++)
        if (atomic_load(&l->irr[w]))
            words |= 1u << w;
    atomic_store(&l->irr_words, words);
    update_ppr(l);
}
