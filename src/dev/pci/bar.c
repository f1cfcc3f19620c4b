/*
 * Base address registers: sizing, mapping into the io_spaces, and firmware's assignment.
 *
 * Invariants
 * 1. A BAR's `addr` says whether and where it is in its io_space; only this file changes it.
 * 2. Every change of any function looks at the whole bus: a BAR that another one blocked is mapped
 *    as soon as the other leaves, whatever the order the guest (or a load) moves them in.
 */
#include "dev/pci/bar.h"

#include <errno.h>

enum {
    BAR_IO = 0x1,    /* bit 0: I/O space */
    BAR_MEM64 = 0x4, /* bits 2:1 = 10b: 64-bit */
    BAR_PREFETCH = 0x8,
};

static unsigned bar_reg(unsigned n)
{
    return PCI_BAR0 + 4 * n;
}

/* Bits below the size read as zero, so writing all ones and reading back tells the size.
 * [PCI 3.0 6.2.5.1] */
void pci_add_bar(struct pci_function *f, unsigned n, const struct pci_bar *bar)
{
    unsigned reg = bar_reg(n);
    uint64_t writable = ~(bar->size - 1);
    uint8_t decode = bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    uint8_t type = 0;

    f->bars[n] = *bar;
    f->bars[n].addr = PCI_UNMAPPED;
    if (bar->kind == PCI_BAR_IO)
        type = BAR_IO;
    else if (bar->kind == PCI_BAR_MEM64)
        type = BAR_MEM64 | BAR_PREFETCH;
    f->image[reg] |= type;
    le_store32(f->mask + reg, (uint32_t)writable);
    if (bar->kind == PCI_BAR_MEM64)
        le_store32(f->mask + reg + 4, (uint32_t)(writable >> 32));
    f->mask[PCI_COMMAND] |= decode;
}

static struct io_space *bar_space(struct pci_bus *bus, const struct pci_bar *b)
{
    return b->kind == PCI_BAR_IO ? bus->host->pio : bus->host->mmio;
}

/* The address in the register, whatever the command register says. */
static uint64_t bar_value(const struct pci_function *f, unsigned n)
{
    const struct pci_bar *b = &f->bars[n];
    uint64_t v = le_load32(f->config + bar_reg(n));

    if (b->kind == PCI_BAR_MEM64)
        v |= (uint64_t)le_load32(f->config + bar_reg(n) + 4) << 32;
    return v & ~(b->size - 1);
}

/* Where the guest wants the BAR now. Address 0 counts as "not set", as firmware leaves it. */
static uint64_t bar_wanted(const struct pci_function *f, unsigned n)
{
    const struct pci_bar *b = &f->bars[n];
    uint16_t decode = b->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    uint64_t addr = bar_value(f, n);
    uint64_t limit = b->kind == PCI_BAR_IO ? 0xffff : UINT64_MAX - 1;

    if (b->kind == PCI_BAR_NONE || !(le_load16(f->config + PCI_COMMAND) & decode))
        return PCI_UNMAPPED;
    if (addr == 0 || addr > limit - (b->size - 1))
        return PCI_UNMAPPED;
    return addr;
}

static void notify(struct pci_function *f, unsigned n, uint64_t addr, bool mapped)
{
    if (!f->ops->bar_mapped)
        return;
    f->ops->bar_mapped(f, n, addr, mapped);
}

static void unmap_stale(struct pci_bus *bus, struct pci_function *f)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &f->bars[n];

        if (b->addr == PCI_UNMAPPED || b->addr == bar_wanted(f, n))
            continue;
        notify(f, n, b->addr, false);
        io_space_remove(bar_space(bus, b), b->addr);
        b->addr = PCI_UNMAPPED;
    }
}

static void map_wanted(struct pci_bus *bus, struct pci_function *f)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &f->bars[n];
        uint64_t addr = bar_wanted(f, n);
        const struct io_region r = {.name = b->name,
                                    .base = addr,
                                    .len = b->size,
                                    .ops = b->ops,
                                    .opaque = b->opaque,
                                    .lock = f->lock};

        if (addr == PCI_UNMAPPED || b->addr == addr)
            continue;
        /* Occupied: the guest's mistake, or the occupant moves next. See invariant 2. */
        if (io_space_add(bar_space(bus, b), &r) < 0)
            continue;
        b->addr = addr;
        notify(f, n, addr, true);
    }
}

static void for_each_function(struct pci_bus *bus,
                              void (*fn)(struct pci_bus *bus, struct pci_function *f))
{
    for (unsigned i = 0; i < PCI_SLOTS; i++) {
        struct pci_function *f = bus->slots[i];

        if (!f)
            continue;
        pthread_mutex_lock(f->lock);
        fn(bus, f);
        pthread_mutex_unlock(f->lock);
    }
}

void pci_bars_update(struct pci_bus *bus)
{
    for_each_function(bus, unmap_stale);
    for_each_function(bus, map_wanted);
}

/* Take `size` bytes, aligned to their size, from the window's front. */
static int window_take(struct pci_window *w, uint64_t size, uint64_t *addr)
{
    uint64_t base = (w->base + size - 1) & ~(size - 1);
    uint64_t used = base - w->base + size;

    if (base < w->base || used < size || used > w->size)
        return -ENOSPC;
    *addr = base;
    w->base += used;
    w->size -= used;
    return 0;
}

static int assign_bar(struct pci_function *f, unsigned n, struct pci_windows *w)
{
    struct pci_bar *b = &f->bars[n];
    uint8_t *reg = f->config + bar_reg(n);
    uint8_t type = f->image[bar_reg(n)];
    uint64_t addr = 0;
    int rc;

    if (b->kind == PCI_BAR_IO)
        rc = window_take(&w->io, b->size, &addr);
    else if (b->kind == PCI_BAR_MEM64 && w->mem64.size)
        rc = window_take(&w->mem64, b->size, &addr);
    else
        rc = window_take(&w->mem32, b->size, &addr);
    if (rc < 0)
        return rc;
    le_store32(reg, (uint32_t)addr | type);
    if (b->kind == PCI_BAR_MEM64)
        le_store32(reg + 4, (uint32_t)(addr >> 32));
    return 0;
}

static int assign_function(struct pci_bus *bus, struct pci_function *f, struct pci_windows *w)
{
    uint8_t decode = f->mask[PCI_COMMAND] & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY);

    for (unsigned n = 0; n < PCI_BARS; n++) {
        int rc = f->bars[n].kind == PCI_BAR_NONE ? 0 : assign_bar(f, n, w);

        if (rc < 0)
            return rc;
    }
    f->config[PCI_COMMAND] |= decode;
    if (f->image[PCI_INT_PIN])
        f->config[PCI_INT_LINE] = bus->intx_number[f->slot % PCI_INTX_LINES];
    return 0;
}

int pci_assign_bars(struct pci_bus *bus, const struct pci_windows *w, struct error *err)
{
    struct pci_windows left = *w;
    int rc = 0;

    pthread_mutex_lock(&bus->lock);
    for (unsigned i = 0; i < PCI_SLOTS && rc == 0; i++) {
        struct pci_function *f = bus->slots[i];

        if (!f)
            continue;
        pthread_mutex_lock(f->lock);
        rc = assign_function(bus, f, &left);
        pthread_mutex_unlock(f->lock);
        if (rc < 0)
            error_set(err, -rc, "no room in the PCI windows for the device in slot %u", i);
    }
    pci_bars_update(bus);
    pthread_mutex_unlock(&bus->lock);
    return rc;
}
