/*
 * Interrupt controllers, serial line, clock, finisher, fw_cfg; PCI and what hangs on it.
 */
#include <errno.h>
#include <string.h>

#include "board/virt/layout.h"
#include "board/virt/virt_impl.h"
#include "dev/legacy/finisher.h"
#include "dev/legacy/fw_cfg.h"
#include "dev/pci/pci_host.h"
#include "dev/serial/uart16550.h"
#include "dev/timer/goldfish_rtc.h"

static int add(struct virt *v, int r, struct dev *d, const char *what, struct error *err)
{
    if (r < 0)
        return error_set(err, -r, "cannot create the machine's %s", what);
    vm_add_device(v->vm, d);
    return 0;
}

/* Contexts 2h and 2h + 1 are M- and S-mode of hart h. */
static int create_plic(struct virt *v, struct error *err)
{
    struct irq_line out[PLIC_CONTEXTS];
    unsigned n = 2 * v->vm->nvcpus;
    for (unsigned i = 0; i < n; i++)
        out[i] = virt_hart_line(v, i / 2, i % 2 ? RISCV_LINE_SEIP : RISCV_LINE_MEIP);
    int r = plic_create(&v->plic, &v->vm->host, VIRT_PLIC_BASE, out, n);
    return add(v, r, r < 0 ? NULL : &v->plic->dev, "PLIC", err);
}

static int create_aclint(struct virt *v, struct error *err)
{
    struct aclint_hart harts[ACLINT_HARTS];
    unsigned n = v->vm->nvcpus;
    for (unsigned i = 0; i < n; i++)
        harts[i] = (struct aclint_hart){.msip = virt_hart_line(v, i, RISCV_LINE_MSIP),
                                        .mtip = virt_hart_line(v, i, RISCV_LINE_MTIP),
                                        .ssip = virt_hart_line(v, i, RISCV_LINE_SSIP)};
    int r = aclint_create(&v->aclint, &v->vm->host, VIRT_ACLINT_BASE, VIRT_SSWI_BASE, harts, n);
    return add(v, r, r < 0 ? NULL : &v->aclint->dev, "ACLINT", err);
}

static int create_uart(struct virt *v, struct error *err)
{
    struct uart16550 *uart;
    int r = uart16550_create_mmio(&uart, &v->vm->host, 0, VIRT_UART_BASE,
                                  plic_line(v->plic, VIRT_IRQ_UART), v->console);
    return add(v, r, r < 0 ? NULL : &uart->dev, "serial line", err);
}

static int create_rtc(struct virt *v, struct error *err)
{
    struct goldfish_rtc *rtc;
    int r =
        goldfish_rtc_create(&rtc, &v->vm->host, VIRT_RTC_BASE, plic_line(v->plic, VIRT_IRQ_RTC));
    return add(v, r, r < 0 ? NULL : &rtc->dev, "clock", err);
}

static int create_finisher(struct virt *v, struct error *err)
{
    struct dev *d = NULL;
    int r = finisher_create(&d, &v->vm->host, VIRT_FINISHER_BASE);
    return add(v, r, d, "test finisher", err);
}

/* [QEMU docs/specs/fw_cfg] */
enum { FW_CFG_NB_CPUS = 0x05, FW_CFG_CMDLINE_DATA = 0x15 };

static int create_fw_cfg(struct virt *v, struct error *err)
{
    struct fw_cfg *f;
    uint16_t cpus = (uint16_t)v->vm->nvcpus;
    const char *cmdline = v->cfg.cmdline ? v->cfg.cmdline : "";
    int r = fw_cfg_create_mmio(&f, &v->vm->host, VIRT_FW_CFG_BASE);
    if (r == 0) {
        vm_add_device(v->vm, &f->dev);
        r = fw_cfg_add_item(f, FW_CFG_NB_CPUS, &cpus, sizeof(cpus));
    }
    if (r == 0)
        r = fw_cfg_add_item(f, FW_CFG_CMDLINE_DATA, cmdline, (uint32_t)strlen(cmdline) + 1);
    return r < 0 ? error_set(err, -r, "cannot create the firmware configuration device") : 0;
}

static int create_htif(struct virt *v, struct error *err)
{
    int r = htif_create(&v->htif, &v->vm->host, v->console);
    return add(v, r, r < 0 ? NULL : htif_dev(v->htif), "host-target interface", err);
}

static int create_pci(struct virt *v, struct error *err)
{
    struct pci_host_config cfg = {.ecam_base = VIRT_ECAM_BASE};
    struct dev *d;
    for (unsigned i = 0; i < PCI_INTX_LINES; i++) {
        cfg.intx[i] = plic_line(v->plic, VIRT_IRQ_PCI + i);
        cfg.intx_number[i] = (uint8_t)(VIRT_IRQ_PCI + i);
    }
    int r = pci_host_create(&d, &v->vm->host, &cfg, err);
    if (r < 0)
        return r;
    vm_add_device(v->vm, d);
    v->pci = pci_host_bus(d);
    return 0;
}

static int create_virtio(struct virt *v, struct error *err)
{
    v->slots = (struct virtio_slots){
        .vm = v->vm, .cfg = &v->cfg, .pci = v->pci, .mmio_base = VIRT_VIRTIO_BASE};
    for (unsigned i = 0; i < VIRT_VIRTIO_SLOTS; i++)
        v->slots.mmio_irq[i] = plic_line(v->plic, VIRT_IRQ_VIRTIO + i);
    return virtio_slots_fill(&v->slots, &v->virtio_console, err);
}

int virt_create_chips(struct virt *v, struct error *err)
{
    static int (*const steps[])(struct virt * v, struct error * err) = {
        create_plic,   create_aclint, create_uart, create_rtc,    create_finisher,
        create_fw_cfg, create_htif,   create_pci,  create_virtio,
    };
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = steps[i](v, err);
        if (r < 0)
            return r;
    }
    return 0;
}
