/*
 * The DSDT: the machine's devices in AML. Data only, no methods: nothing here needs the guest's
 * interpreter to run code of ours.
 */
#include "board/pc/acpi.h"
#include "board/pc/acpi_aml.h"
#include "board/pc/layout.h"

enum { PCI_SLOTS = 32, PCI_PINS = 4 };

static void named_integer(struct aml *a, const char *name, uint64_t v)
{
    aml_name(a, name);
    aml_integer(a, v);
}

static void named_id(struct aml *a, const char *name, const char *id)
{
    aml_name(a, name);
    aml_eisaid(a, id);
}

static void s5(struct aml *a)
{
    aml_name(a, "\\_S5_");
    size_t p = aml_package(a, 4);
    aml_integer(a, PC_SLP_TYP_S5);
    aml_integer(a, PC_SLP_TYP_S5); /* PM1b, not there */
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_end(a, p);
}

static void cpus(struct aml *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[5] = {'C', 'P', 'U', (char)('0' + i), 0};
        size_t d = aml_device(a, name);
        aml_name(a, "_HID");
        aml_string(a, "ACPI0007");
        named_integer(a, "_UID", i);
        aml_end(a, d);
    }
}

/* Every slot's four pins, hard-wired: the source is the GSI itself. [ACPI 6.5 6.2.13] */
static void pci_routing(struct aml *a)
{
    aml_name(a, "_PRT");
    size_t all = aml_package(a, PCI_SLOTS * PCI_PINS);
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < PCI_PINS; pin++) {
            size_t p = aml_package(a, 4);
            aml_integer(a, slot << 16 | 0xffff); /* any function */
            aml_integer(a, pin);
            aml_integer(a, 0);
            aml_integer(a, pc_pci_gsi(slot, pin));
            aml_end(a, p);
        }
    }
    aml_end(a, all);
}

static void pci_windows(struct aml *a)
{
    aml_name(a, "_CRS");
    size_t r = aml_resources(a);
    aml_bus_window(a, 0, PC_PCI_BUSES - 1);
    aml_io(a, PC_PORT_PCI_ADDR, 8);
    aml_io_window(a, 0, PC_PORT_PCI_ADDR - 1);
    aml_io_window(a, PC_PORT_PCI_ADDR + 8, 0xffff);
    aml_memory_window32(a, PC_VGA_BASE, PC_VGA_BASE + PC_VGA_SIZE - 1);
    aml_memory_window32(a, PC_MMIO32_BASE, PC_MMIO32_END - 1);
    aml_memory_window64(a, PC_MMIO64_BASE, PC_MMIO64_BASE + PC_MMIO64_SIZE - 1);
    aml_resources_end(a, r);
}

static void pci_bridge(struct aml *a)
{
    size_t d = aml_device(a, "PCI0");
    named_id(a, "_HID", "PNP0A08");
    named_id(a, "_CID", "PNP0A03");
    named_integer(a, "_SEG", 0);
    named_integer(a, "_BBN", 0);
    named_integer(a, "_UID", 0);
    pci_windows(a);
    pci_routing(a);
    aml_end(a, d);
}

/* Claims ECAM, so that the OS believes MCFG and puts nothing else there. [PCI Firmware 3.3 4.1.2]
 */
static void motherboard(struct aml *a)
{
    size_t d = aml_device(a, "MBRD");
    named_id(a, "_HID", "PNP0C02");
    aml_name(a, "_CRS");
    size_t r = aml_resources(a);
    aml_fixed_memory32(a, PC_ECAM_BASE, PC_ECAM_SIZE);
    aml_io(a, PC_PORT_PM1_EVT, PC_PORT_GPE0 + PC_GPE0_LEN - PC_PORT_PM1_EVT);
    aml_resources_end(a, r);
    aml_end(a, d);
}

struct isa_device {
    const char *name, *hid;
    uint16_t port[2];
    uint8_t nports[2];
    uint8_t irq;
};

static const struct isa_device com1 = {"COM1", "PNP0501", {PC_PORT_COM1, 0}, {8, 0}, PC_IRQ_COM1};
static const struct isa_device rtc = {"RTC_", "PNP0B00", {PC_PORT_CMOS, 0}, {2, 0}, PC_IRQ_RTC};
static const struct isa_device keyboard = {
    "KBD_", "PNP0303", {PC_PORT_KBD_DATA, PC_PORT_KBD_CMD}, {1, 1}, PC_IRQ_KBD};
static const struct isa_device mouse = {"MOU_", "PNP0F13", {0, 0}, {0, 0}, PC_IRQ_MOUSE};

static void isa(struct aml *a, const struct isa_device *dev)
{
    size_t d = aml_device(a, dev->name);
    named_id(a, "_HID", dev->hid);
    named_integer(a, "_UID", 0);
    aml_name(a, "_CRS");
    size_t r = aml_resources(a);
    for (int i = 0; i < 2; i++)
        if (dev->nports[i])
            aml_io(a, dev->port[i], dev->nports[i]);
    aml_irq(a, dev->irq);
    aml_resources_end(a, r);
    aml_end(a, d);
}

static void fw_cfg(struct aml *a)
{
    size_t d = aml_device(a, "FWCF");
    aml_name(a, "_HID");
    aml_string(a, "QEMU0002");
    named_integer(a, "_STA", 0x0b); /* present, working, not shown to the user */
    aml_name(a, "_CRS");
    size_t r = aml_resources(a);
    aml_io(a, PC_PORT_FW_CFG, PC_FW_CFG_PORTS);
    aml_resources_end(a, r);
    aml_end(a, d);
}

/* The identifier that Linux's virtio-mmio driver goes by. */
static void virtio_mmio(struct aml *a, unsigned n)
{
    static const uint8_t irq[PC_VIRTIO_MMIO_SLOTS] = PC_VIRTIO_MMIO_IRQS;
    const char name[] = {'V', 'I', 'O', (char)('0' + n), 0};
    size_t d = aml_device(a, name);
    aml_name(a, "_HID");
    aml_string(a, "LNRO0005");
    named_integer(a, "_UID", n);
    aml_name(a, "_CRS");
    size_t r = aml_resources(a);
    aml_fixed_memory32(a, (uint32_t)(PC_VIRTIO_MMIO_BASE + n * PC_VIRTIO_MMIO_PAGE),
                       PC_VIRTIO_MMIO_LEN);
    aml_irq(a, irq[n]);
    aml_resources_end(a, r);
    aml_end(a, d);
}

void acpi_dsdt_body(struct aml *a, const struct acpi_config *cfg)
{
    s5(a);
    size_t sb = aml_scope(a, "\\_SB_");
    cpus(a, cfg->ncpus);
    pci_bridge(a);
    motherboard(a);
    isa(a, &com1);
    isa(a, &rtc);
    if (cfg->i8042) {
        isa(a, &keyboard);
        isa(a, &mouse);
    }
    if (cfg->fw_cfg)
        fw_cfg(a);
    for (unsigned n = 0; n < cfg->virtio_mmio && n < PC_VIRTIO_MMIO_SLOTS; n++)
        virtio_mmio(a, n);
    aml_end(a, sb);
}
