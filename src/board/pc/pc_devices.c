/*
 * The PCI bus, and the places for virtio devices on it and beside it.
 */
#include "board/pc/layout.h"
#include "board/pc/pc_impl.h"

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

int pc_create_devices(struct pc *pc, struct error *err)
{
    static const uint8_t irqs[] = PC_VIRTIO_MMIO_IRQS;
    struct virtio_slots *s = &pc->slots;
    int r = create_bus(pc, err);
    if (r < 0)
        return r;
    *s = (struct virtio_slots){
        .vm = pc->vm, .cfg = &pc->cfg, .pci = pc->pci, .mmio_base = PC_VIRTIO_MMIO_BASE};
    for (unsigned i = 0; i < ARRAY_SIZE(irqs); i++)
        s->mmio_irq[i] = pc_irq(pc, irqs[i]);
    return virtio_slots_fill(s, &pc->virtio_console, err);
}
