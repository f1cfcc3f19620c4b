/*
 * Local APIC: which CPUs a message is for, and the inter-processor interrupts of ICR.
 * [SDM 3A 11.6, 11.12.10]
 */
#include "irq/x86/lapic_regs.h"

enum shorthand { SH_NONE, SH_SELF, SH_ALL, SH_OTHERS };

/* xAPIC logical destination: flat model, or clusters of four. [SDM 3A 11.6.2.2] */
static bool match_logical_xapic(const struct lapic *l, uint32_t dest)
{
    uint32_t ldr = atomic_load(&l->ldr) >> 24;

    if (dest > 0xff)
        return false;
    if (atomic_load(&l->dfr) >> 28 == 0xf)
        return ldr & dest;
    return (dest >> 4 == 0xf || dest >> 4 == ldr >> 4) && (ldr & dest & 0xf);
}

static bool match(const struct lapic *l, const struct lapic_msg *m)
{
    enum lapic_mode mode = lapic_mode(l);
    uint32_t ldr = lapic_x2apic_ldr(l);

    if (mode == LAPIC_OFF)
        return false;
    if (m->dest == LAPIC_BROADCAST)
        return true;
    if (!m->logical)
        return m->dest == l->id;
    if (mode == LAPIC_XAPIC)
        return match_logical_xapic(l, m->dest);
    return m->dest >> 16 == ldr >> 16 && (m->dest & ldr & 0xffff);
}

static bool enabled(const struct lapic *l)
{
    return atomic_load(&l->svr) & SVR_ENABLE;
}

static bool deliver_one(struct lapic *l, const struct lapic_msg *m)
{
    switch (m->mode) {
    case DM_FIXED:
    case DM_LOWEST:
        if (!enabled(l))
            return false; /* [SDM 3A 11.4.7.2] */
        lapic_accept(l, m->vector, m->level);
        return true;
    case DM_NMI:
        lapic_kick(l, LAPIC_KICK_NMI, 0);
        return true;
    case DM_INIT:
        lapic_kick(l, LAPIC_KICK_INIT, 0);
        return true;
    case DM_SIPI:
        lapic_kick(l, LAPIC_KICK_SIPI, m->vector);
        return true;
    default: /* SMI, ExtINT as a message: nobody here can take them */
        return false;
    }
}

/* Of those addressed, the one with the lowest task priority; on a tie the lowest ID, which keeps
 * a device's interrupts on one CPU's caches. */
static bool deliver_lowest(struct lapic_bus *bus, const struct lapic_msg *m)
{
    struct lapic *best = NULL;

    for (unsigned i = 0; i < bus->n; i++) {
        struct lapic *l = bus->cpu[i];

        if (match(l, m) && enabled(l) && (!best || atomic_load(&l->tpr) < atomic_load(&best->tpr)))
            best = l;
    }
    return best && deliver_one(best, m);
}

bool lapic_bus_deliver(struct lapic_bus *bus, const struct lapic_msg *m)
{
    bool taken = false;

    if (m->mode == DM_LOWEST)
        return deliver_lowest(bus, m);
    for (unsigned i = 0; i < bus->n; i++)
        if (match(bus->cpu[i], m))
            taken |= deliver_one(bus->cpu[i], m);
    return taken;
}

static void send_others(struct lapic *self, const struct lapic_msg *m)
{
    struct lapic_bus *bus = self->bus;

    for (unsigned i = 0; i < bus->n; i++)
        if (bus->cpu[i] != self && match(bus->cpu[i], m))
            deliver_one(bus->cpu[i], m);
}

static void send(struct lapic *self, const struct lapic_msg *m, enum shorthand sh)
{
    switch (sh) {
    case SH_NONE:
        lapic_bus_deliver(self->bus, m);
        break;
    case SH_SELF: /* only fixed interrupts may include the sender [SDM 3A table 11-3] */
        if (m->mode == DM_FIXED)
            deliver_one(self, m);
        break;
    case SH_ALL:
        if (m->mode == DM_FIXED)
            lapic_bus_deliver(self->bus, m);
        break;
    case SH_OTHERS:
        send_others(self, m);
        break;
    }
}

void lapic_send_icr(struct lapic *l, uint64_t icr)
{
    enum shorthand sh = (icr >> 18) & 3;
    struct lapic_msg m = {
        .dest = sh == SH_NONE ? (uint32_t)(icr >> 32) : LAPIC_BROADCAST,
        .vector = (uint8_t)icr,
        .mode = (icr >> 8) & 7,
        .logical = sh == SH_NONE && icr & 1u << 11,
        /* IPIs are edge-triggered whatever the trigger bit says [SDM 3A 11.6.1, trigger mode] */
    };

    if ((m.mode == DM_FIXED || m.mode == DM_LOWEST) && m.vector < 16) {
        lapic_error(l, ESR_SEND_ILLEGAL);
        return;
    }
    /* INIT level de-assert only synchronised arbitration IDs of long ago. */
    if (m.mode == DM_INIT && icr & ICR_TRIGGER_LEVEL && !(icr & ICR_LEVEL_ASSERT))
        return;
    send(l, &m, sh);
}
