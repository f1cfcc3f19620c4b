/*
 * The host bridge and the guest's ways into config space.
 */
#include "dev/pci/pci_host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 0xCF8: enable, bus, device, function, register. [PCI 3.0 3.2.2.3.2] */
#define ADDRESS_ENABLE   UINT32_C(0x80000000)
#define ADDRESS_WRITABLE UINT32_C(0x80fffffc)

enum {
    PORT_ADDRESS = 0,
    PORT_RESET = 1, /* 0xCF9 */
    PORT_DATA = 4,
};

#define PCI_HOST_STATE(S, A, B, N)                                                                 \
    S(uint32_t, address)                                                                           \
    N(struct pci_function, fn, 1, pci_function_state)

struct pci_host {
    struct dev dev;
    STATE_MEMBERS(PCI_HOST_STATE)
    struct pci_bus bus;
    struct pci_host_config cfg;
    bool has_ports, has_ecam;
    pthread_mutex_t fn_lock; /* config space of function 0: taken inside the bus lock, while the
                              * device lock is taken outside it */
};

#define STATE_OWNER struct pci_host

static int host_post_load(void *obj, struct error *err)
{
    struct pci_host *h = obj;

    if (h->address & ~ADDRESS_WRITABLE)
        return error_set(err, EINVAL, "PCI host bridge: reserved register bits are set");
    return 0;
}

STATE_DESC(pci_host_state, "pci-host", 1, PCI_HOST_STATE, .post_load = host_post_load);

struct pci_bus *pci_host_bus(struct dev *d)
{
    return &container_of(d, struct pci_host, dev)->bus;
}

/* `devfn` is device << 3 | function; only function 0 exists. */
static uint32_t config_read(struct pci_host *h, unsigned devfn, unsigned off, unsigned size)
{
    if (devfn & 7)
        return UINT32_MAX;
    return pci_config_read(&h->bus, devfn >> 3, off, size);
}

static void config_write(struct pci_host *h, unsigned devfn, unsigned off, unsigned size,
                         uint32_t val)
{
    if (!(devfn & 7))
        pci_config_write(&h->bus, devfn >> 3, off, size, val);
}

/* ECAM: bus, device, function and a 12-bit register make the offset. [PCIe 3.0 7.2.2] */
static enum io_status ecam_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    *val = config_read(opaque, (unsigned)(off >> 12), off & 0xfff, size);
    return IO_OK;
}

static enum io_status ecam_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    config_write(opaque, (unsigned)(off >> 12), off & 0xfff, size, (uint32_t)val);
    return IO_OK;
}

static const struct io_ops ecam_ops = {
    .read = ecam_read, .write = ecam_write, .min_size = 1, .max_size = 4};

/* Whether 0xCF8 holds the address of something on our only bus. */
static bool selected(const struct pci_host *h)
{
    return (h->address & ADDRESS_ENABLE) && ((h->address >> 16) & 0xff) == 0;
}

static enum io_status port_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct pci_host *h = opaque;

    *val = UINT32_MAX >> (32 - 8 * size);
    if (off == PORT_ADDRESS && size == 4)
        *val = h->address;
    else if (off == PORT_RESET && size == 1 && h->cfg.reset_read)
        *val = h->cfg.reset_read(h->cfg.reset_opaque);
    else if (off >= PORT_DATA && selected(h))
        *val = config_read(h, (h->address >> 8) & 0xff, (h->address & 0xfc) | (off & 3), size);
    return IO_OK;
}

/* Only a dword write reaches 0xCF8: narrower ones are other chips' ports. */
static enum io_status port_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct pci_host *h = opaque;

    if (off == PORT_ADDRESS && size == 4)
        h->address = (uint32_t)val & ADDRESS_WRITABLE;
    else if (off == PORT_RESET && size == 1 && h->cfg.reset_write)
        h->cfg.reset_write(h->cfg.reset_opaque, (uint8_t)val);
    else if (off >= PORT_DATA && selected(h))
        config_write(h, (h->address >> 8) & 0xff, (h->address & 0xfc) | (off & 3), size,
                     (uint32_t)val);
    return IO_OK;
}

static const struct io_ops port_ops = {
    .read = port_read, .write = port_write, .min_size = 1, .max_size = 4};

static void host_reset(struct dev *d)
{
    struct pci_host *h = container_of(d, struct pci_host, dev);

    h->address = 0;
    pci_function_reset(h->fn);
}

static void host_destroy(struct dev *d)
{
    struct pci_host *h = container_of(d, struct pci_host, dev);

    if (h->has_ecam)
        io_space_remove(d->host->mmio, h->cfg.ecam_base);
    if (h->has_ports)
        io_space_remove(d->host->pio, PCI_HOST_PORT);
    /* Functions that are destroyed later find themselves already off the bus. */
    for (unsigned i = 0; i < PCI_SLOTS; i++) {
        if (h->bus.slots[i])
            pci_bus_remove(h->bus.slots[i]);
    }
    pci_bus_destroy(&h->bus);
    pthread_mutex_destroy(&h->fn_lock);
    dev_free(d);
}

static const struct dev_class pci_host_class = {
    .name = "pci-host", .state = &pci_host_state, .reset = host_reset, .destroy = host_destroy};

/* The identity QEMU's generic PCIe host bridge carries: kernels bind no driver and expect no
 * chipset registers behind it. */
static const struct pci_id host_id = {.vendor = 0x1b36,
                                      .device = 0x0008,
                                      .subsys_vendor = 0x1af4,
                                      .subsys = 0x1100,
                                      .class_code = 0x060000};

static int add_regions(struct pci_host *h)
{
    const struct pci_host_config *cfg = &h->cfg;
    const struct io_region ecam = {.name = "pci-ecam",
                                   .base = cfg->ecam_base,
                                   .len = PCI_ECAM_SIZE,
                                   .ops = &ecam_ops,
                                   .opaque = h};
    const struct io_region ports = {.name = "pci-ports",
                                    .base = PCI_HOST_PORT,
                                    .len = 8,
                                    .ops = &port_ops,
                                    .opaque = h,
                                    .lock = &h->dev.lock};
    int rc = cfg->ecam_base ? io_space_add(h->dev.host->mmio, &ecam) : 0;

    if (rc < 0)
        return rc;
    h->has_ecam = cfg->ecam_base;
    rc = cfg->ports ? io_space_add(h->dev.host->pio, &ports) : 0;
    h->has_ports = cfg->ports && rc == 0;
    return rc;
}

int pci_host_create(struct dev **out, const struct dev_host *host,
                    const struct pci_host_config *cfg, struct error *err)
{
    struct pci_host *h = calloc(1, sizeof(*h));
    int rc;

    if (!h || pci_bus_init(&h->bus, host) < 0) {
        free(h);
        return error_set(err, ENOMEM, "no memory for the PCI host bridge");
    }
    dev_init(&h->dev, &pci_host_class, host, "pci-host");
    h->cfg = *cfg;
    pthread_mutex_init(&h->fn_lock, NULL);
    memcpy(h->bus.intx, cfg->intx, sizeof(cfg->intx));
    memcpy(h->bus.intx_number, cfg->intx_number, sizeof(cfg->intx_number));
    pci_function_init(h->fn, &host_id, NULL, &h->fn_lock);
    rc = pci_bus_add(&h->bus, h->fn, 0, err);
    if (rc == 0 && (rc = add_regions(h)) < 0)
        error_set(err, -rc, "the PCI host bridge's addresses are taken");
    if (rc < 0) {
        host_destroy(&h->dev);
        return rc;
    }
    *out = &h->dev;
    return 0;
}
