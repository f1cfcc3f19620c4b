/*
 * The PCI root bus: building functions, dispatching config accesses, INTx.
 * BAR mapping is in bar.c. Reached from pci_host.c (ECAM, 0xCF8) on a vCPU's thread.
 */
#include "dev/pci/pci.h"

#include <errno.h>
#include <string.h>

#include "dev/pci/bar.h"

#define STATE_OWNER struct pci_function

/*
 * A saved config space may differ from the power-on image only where software can write, and in
 * the interrupt status bit. Anything else would be another device.
 */
static int function_post_load(void *obj, struct error *err)
{
    struct pci_function *f = obj;

    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        uint8_t may_differ = f->mask[i] | (i == PCI_STATUS ? PCI_STATUS_INTX : 0);

        if ((f->config[i] ^ f->image[i]) & ~may_differ)
            return error_set(err, EINVAL, "PCI config space byte 0x%x is not this device's", i);
    }
    return 0;
}

STATE_DESC(pci_function_state, "pci", 1, PCI_FUNCTION_STATE, .post_load = function_post_load);

void pci_function_init(struct pci_function *f, const struct pci_id *id, const struct pci_ops *ops,
                       pthread_mutex_t *lock)
{
    static const struct pci_ops no_ops;

    memset(f, 0, sizeof(*f));
    f->ops = ops ? ops : &no_ops;
    f->lock = lock;
    f->caps_end = PCI_FIRST_CAP;
    le_store16(f->image + PCI_VENDOR_ID, id->vendor);
    le_store16(f->image + PCI_DEVICE_ID, id->device);
    f->image[PCI_REVISION] = id->revision;
    f->image[PCI_CLASS] = (uint8_t)id->class_code;
    le_store16(f->image + PCI_CLASS + 1, (uint16_t)(id->class_code >> 8));
    le_store16(f->image + PCI_SUBSYS_VENDOR, id->subsys_vendor);
    le_store16(f->image + PCI_SUBSYS_ID, id->subsys);
    f->image[PCI_INT_PIN] = id->int_pin;

    f->mask[PCI_CACHE_LINE] = 0xff;
    f->mask[PCI_INT_LINE] = 0xff;
    le_store16(f->mask + PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_OFF);
    memcpy(f->config, f->image, PCI_CONFIG_SIZE);
    for (unsigned i = 0; i < PCI_BARS; i++)
        f->bars[i].addr = PCI_UNMAPPED;
}

unsigned pci_add_cap(struct pci_function *f, uint8_t id, unsigned len)
{
    unsigned off = f->caps_end;
    unsigned link = f->last_cap ? f->last_cap + 1u : PCI_CAP_PTR;

    f->image[off] = id;
    f->image[link] = (uint8_t)off;
    f->image[PCI_STATUS] |= PCI_STATUS_CAPS;
    f->last_cap = (uint8_t)off;
    f->caps_end = (uint16_t)((off + len + 3) & ~3u);
    return off;
}

int pci_bus_init(struct pci_bus *bus, const struct dev_host *host)
{
    int rc;

    memset(bus, 0, sizeof(*bus));
    bus->host = host;
    rc = pthread_mutex_init(&bus->lock, NULL);
    if (rc)
        return -rc;
    rc = pthread_mutex_init(&bus->intx_lock, NULL);
    if (rc)
        pthread_mutex_destroy(&bus->lock);
    return -rc;
}

void pci_bus_destroy(struct pci_bus *bus)
{
    pthread_mutex_destroy(&bus->intx_lock);
    pthread_mutex_destroy(&bus->lock);
}

static int first_free_slot(const struct pci_bus *bus)
{
    for (int i = 1; i < PCI_SLOTS; i++) {
        if (!bus->slots[i])
            return i;
    }
    return -1;
}

int pci_bus_add(struct pci_bus *bus, struct pci_function *f, int slot, struct error *err)
{
    int rc = 0;

    pthread_mutex_lock(&bus->lock);
    if (slot < 0)
        slot = first_free_slot(bus);
    if (slot < 0) {
        rc = error_set(err, ENOSPC, "the PCI bus has no free slot");
    } else if (slot >= PCI_SLOTS || bus->slots[slot]) {
        rc = error_set(err, EBUSY, "PCI slot %d is not free", slot);
    } else {
        memcpy(f->config, f->image, PCI_CONFIG_SIZE);
        f->bus = bus;
        f->slot = (uint8_t)slot;
        bus->slots[slot] = f;
    }
    pthread_mutex_unlock(&bus->lock);
    return rc;
}

void pci_bus_remove(struct pci_function *f)
{
    struct pci_bus *bus = f->bus;

    if (!bus)
        return;
    pci_function_reset(f);
    pthread_mutex_lock(&bus->lock);
    bus->slots[f->slot] = NULL;
    f->bus = NULL;
    pthread_mutex_unlock(&bus->lock);
}

uint32_t pci_config_read(struct pci_bus *bus, unsigned slot, unsigned off, unsigned size)
{
    struct pci_function *f;
    uint32_t val = 0;

    pthread_mutex_lock(&bus->lock);
    f = bus->slots[slot];
    if (!f) {
        val = UINT32_MAX;
    } else {
        pthread_mutex_lock(f->lock);
        if (f->ops->config_read)
            f->ops->config_read(f, off, size);
        for (unsigned i = 0; i < size; i++)
            val |= (uint32_t)f->config[off + i] << (8 * i);
        pthread_mutex_unlock(f->lock);
    }
    pthread_mutex_unlock(&bus->lock);
    return val;
}

/* Make the line agree with the interrupt status and disable bits. Under f->lock. */
static void intx_update(struct pci_function *f)
{
    struct pci_bus *bus = f->bus;
    bool masked = le_load16(f->config + PCI_COMMAND) & PCI_COMMAND_INTX_OFF;
    bool want = (f->config[PCI_STATUS] & PCI_STATUS_INTX) && !masked;
    /* The usual rotation of a device's INTA over the four lines. [PCI 3.0 2.2.6] */
    unsigned line = f->slot % PCI_INTX_LINES;

    if (!bus)
        return;
    pthread_mutex_lock(&bus->intx_lock);
    if (want != f->intx_asserted) {
        f->intx_asserted = want;
        bus->intx_count[line] += want ? 1 : -1;
    }
    /* Set again even when nothing changed: after a load the chip at the other end may disagree. */
    irq_line_set(&bus->intx[line], bus->intx_count[line] > 0);
    pthread_mutex_unlock(&bus->intx_lock);
}

void pci_set_intx(struct pci_function *f, bool level)
{
    bool now = f->config[PCI_STATUS] & PCI_STATUS_INTX;

    if (level == now)
        return;
    f->config[PCI_STATUS] ^= PCI_STATUS_INTX;
    intx_update(f);
}

static bool overlaps(unsigned off, unsigned size, unsigned reg, unsigned len)
{
    return off < reg + len && reg < off + size;
}

/* Returns whether BARs may have to move. */
static bool function_write(struct pci_function *f, unsigned off, unsigned size, uint32_t val)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = f->mask[off + i];
        uint8_t byte = (uint8_t)(val >> (8 * i));

        f->config[off + i] = (uint8_t)((f->config[off + i] & ~mask) | (byte & mask));
    }
    if (overlaps(off, size, PCI_COMMAND, 2))
        intx_update(f);
    if (f->ops->config_written)
        f->ops->config_written(f, off, size);
    return overlaps(off, size, PCI_COMMAND, 2) || overlaps(off, size, PCI_BAR0, 4 * PCI_BARS);
}

void pci_config_write(struct pci_bus *bus, unsigned slot, unsigned off, unsigned size, uint32_t val)
{
    struct pci_function *f;
    bool moved;

    pthread_mutex_lock(&bus->lock);
    f = bus->slots[slot];
    if (f) {
        pthread_mutex_lock(f->lock);
        moved = function_write(f, off, size, val);
        pthread_mutex_unlock(f->lock);
        if (moved)
            pci_bars_update(bus);
    }
    pthread_mutex_unlock(&bus->lock);
}

void pci_function_reset(struct pci_function *f)
{
    pthread_mutex_lock(&f->bus->lock);
    pthread_mutex_lock(f->lock);
    memcpy(f->config, f->image, PCI_CONFIG_SIZE);
    intx_update(f);
    pthread_mutex_unlock(f->lock);
    pci_bars_update(f->bus);
    pthread_mutex_unlock(&f->bus->lock);
}

void pci_function_resume(struct pci_function *f)
{
    pthread_mutex_lock(&f->bus->lock);
    pthread_mutex_lock(f->lock);
    intx_update(f);
    pthread_mutex_unlock(f->lock);
    pci_bars_update(f->bus);
    pthread_mutex_unlock(&f->bus->lock);
}
