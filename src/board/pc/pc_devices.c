/*
 * The PCI bus and what is on it: disks, network cards, entropy.
 */
#include <errno.h>
#include <stdio.h>

#include "board/pc/layout.h"
#include "board/pc/pc_impl.h"
#include "dev/virtio/blk.h"
#include "dev/virtio/console.h"
#include "dev/virtio/mmio.h"
#include "dev/virtio/net.h"
#include "dev/virtio/pci.h"
#include "dev/virtio/rng.h"

static int create_bus(struct pc *pc, struct error *err)
{
    struct pci_host_config cfg = {.ecam_base = PC_ECAM_BASE,
                                  .ports = true,
                                  .reset_read = acpi_pm_reset_read,
                                  .reset_write = acpi_pm_reset_write,
                                  .reset_opaque = pc->pm};
    struct dev *d;
    for (unsigned i = 0; i < PCI_INTX_LINES; i++) {
        cfg.intx[i] = pc_irq(pc, PC_GSI_PCI_FIRST + i);
        cfg.intx_number[i] = (uint8_t)(PC_GSI_PCI_FIRST + i);
    }
    int r = pci_host_create(&d, &pc->vm->host, &cfg, err);
    if (r < 0)
        return r;
    vm_add_device(pc->vm, d);
    pc->pci = pci_host_bus(d);
    return 0;
}

static const uint8_t mmio_irqs[PC_VIRTIO_MMIO_SLOTS] = PC_VIRTIO_MMIO_IRQS;

static int plug_mmio(struct pc *pc, struct virtio_dev *v, struct dev **transport, struct error *err)
{
    if (pc->nmmio == PC_VIRTIO_MMIO_SLOTS)
        return error_set(err, ENOSPC, "a machine has at most %d virtio-mmio devices",
                         PC_VIRTIO_MMIO_SLOTS);
    unsigned n = pc->nmmio++;
    gpa_t base = PC_VIRTIO_MMIO_BASE + n * PC_VIRTIO_MMIO_PAGE;
    return virtio_mmio_create(transport, v, base, pc_irq(pc, mmio_irqs[n]), err);
}

/* Both halves belong to the VM from here on; the transport goes first when it is destroyed. */
static int plug(struct pc *pc, struct virtio_dev *v, struct error *err)
{
    struct dev *transport;
    vm_add_device(pc->vm, &v->dev);
    int r = pc->cfg.virtio == PC_VIRTIO_MMIO ? plug_mmio(pc, v, &transport, err)
                                             : virtio_pci_create(&transport, v, pc->pci, -1, err);
    if (r == 0)
        vm_add_device(pc->vm, transport);
    return r;
}

static int create_disk(struct pc *pc, unsigned n, struct error *err)
{
    struct virtio_blk_config cfg = {0};
    struct virtio_dev *v;
    char id[32];
    snprintf(id, sizeof(id), "virtio-blk%u", n);
    int r = blk_open(&cfg.backend, &pc->cfg.disk[n], pc->vm->loop, err);
    if (r < 0)
        return r;
    r = virtio_blk_create(&v, &pc->vm->host, id, &cfg, err);
    return r < 0 ? r : plug(pc, v, err);
}

static int create_net(struct pc *pc, unsigned n, struct error *err)
{
    struct virtio_net_config cfg = {0};
    struct virtio_dev *v;
    char id[32];
    if (pc->cfg.net[n].kind == NET_NONE)
        return 0;
    snprintf(id, sizeof(id), "virtio-net%u", n);
    int r = net_open(&cfg.backend, &pc->cfg.net[n], pc->vm->loop, err);
    if (r < 0)
        return r;
    r = virtio_net_create(&v, &pc->vm->host, id, &cfg, err);
    return r < 0 ? r : plug(pc, v, err);
}

static int create_console(struct pc *pc, struct error *err)
{
    struct virtio_console_config cfg = {0};
    struct virtio_dev *v;
    if (!pc->cfg.virtio_console)
        return 0;
    int r = chr_open(&pc->virtio_console, pc->cfg.virtio_console, pc->vm->loop, err);
    if (r < 0)
        return r;
    cfg.backend = pc->virtio_console;
    r = virtio_console_create(&v, &pc->vm->host, "virtio-console0", &cfg, err);
    return r < 0 ? r : plug(pc, v, err);
}

int pc_create_devices(struct pc *pc, struct error *err)
{
    struct virtio_dev *rng;
    int r = create_bus(pc, err);
    for (unsigned i = 0; i < pc->cfg.ndisks && r == 0; i++)
        r = create_disk(pc, i, err);
    for (unsigned i = 0; i < pc->cfg.nnets && r == 0; i++)
        r = create_net(pc, i, err);
    if (r == 0)
        r = create_console(pc, err);
    if (r == 0)
        r = virtio_rng_create(&rng, &pc->vm->host, "virtio-rng0", err);
    return r < 0 ? r : plug(pc, rng, err);
}
