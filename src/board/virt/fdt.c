/*
 * See fdt.h. Nodes are written in order; a failure sticks and is looked at once, at the end.
 *
 * A tree names interrupt controllers by phandles: hart h's is HART_PHANDLE + h.
 */
#include "board/virt/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "board/virt/layout.h"
#include "dev/legacy/finisher.h"
#include "dev/pci/pci_host.h"
#include "irq/riscv/aclint.h"
#include "irq/riscv/plic.h"

enum { PLIC_PHANDLE = 1, FINISHER_PHANDLE = 2, HART_PHANDLE = 16 };
/* A hart's local interrupts, as its controller node numbers them. [RISC-V priv 3.1.9] */
enum { LOCAL_SSI = 1, LOCAL_MSI = 3, LOCAL_MTI = 7, LOCAL_SEI = 9, LOCAL_MEI = 11 };
enum { CACHE_BLOCK = 64, CELLS_MAX = 256 };

struct tree {
    const struct virt_fdt_config *cfg;
    void *buf;
    int err; /* libfdt's, the first */
};

static void note(struct tree *t, int r)
{
    if (t->err == 0 && r < 0)
        t->err = r;
}

static void begin(struct tree *t, const char *name)
{
    note(t, fdt_begin_node(t->buf, name));
}

static void begin_at(struct tree *t, const char *name, gpa_t addr)
{
    char full[48];
    snprintf(full, sizeof(full), "%s@%" PRIx64, name, addr);
    begin(t, full);
}

static void end(struct tree *t)
{
    note(t, fdt_end_node(t->buf));
}

static void empty(struct tree *t, const char *name)
{
    note(t, fdt_property(t->buf, name, NULL, 0));
}

static void text(struct tree *t, const char *name, const char *value)
{
    note(t, fdt_property_string(t->buf, name, value));
}

static void cell(struct tree *t, const char *name, uint32_t value)
{
    note(t, fdt_property_u32(t->buf, name, value));
}

static void cells(struct tree *t, const char *name, const uint32_t *values, unsigned n)
{
    fdt32_t be[CELLS_MAX];
    for (unsigned i = 0; i < n; i++)
        be[i] = cpu_to_fdt32(values[i]);
    note(t, fdt_property(t->buf, name, be, (int)(n * sizeof(be[0]))));
}

/* Several strings, each with its final 0. */
#define TEXTS(t, name, list) note(t, fdt_property((t)->buf, name, list, sizeof(list)))

/* Addresses and sizes have two cells each everywhere but below /cpus. */
static void reg(struct tree *t, gpa_t base, uint64_t size)
{
    const uint32_t v[4] = {(uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32),
                           (uint32_t)size};
    cells(t, "reg", v, 4);
}

static void address_cells(struct tree *t, uint32_t address, uint32_t size)
{
    cell(t, "#address-cells", address);
    cell(t, "#size-cells", size);
}

static void plic_interrupt(struct tree *t, uint32_t irq)
{
    cell(t, "interrupt-parent", PLIC_PHANDLE);
    cell(t, "interrupts", irq);
}

/* "interrupts-extended": these local interrupts of every hart in turn. */
static void hart_interrupts(struct tree *t, const uint32_t *local, unsigned n)
{
    uint32_t v[CELLS_MAX];
    unsigned at = 0;
    for (unsigned h = 0; h < t->cfg->nharts; h++) {
        for (unsigned i = 0; i < n; i++) {
            v[at++] = HART_PHANDLE + h;
            v[at++] = local[i];
        }
    }
    cells(t, "interrupts-extended", v, at);
}

static void add_hart(struct tree *t, unsigned h)
{
    begin_at(t, "cpu", h);
    text(t, "device_type", "cpu");
    cell(t, "reg", h);
    text(t, "status", "okay");
    text(t, "compatible", "riscv");
    text(t, "riscv,isa", t->cfg->isa);
    text(t, "mmu-type", "riscv,sv48");
    cell(t, "riscv,cbom-block-size", CACHE_BLOCK);
    cell(t, "riscv,cboz-block-size", CACHE_BLOCK);
    begin(t, "interrupt-controller");
    cell(t, "#interrupt-cells", 1);
    empty(t, "interrupt-controller");
    text(t, "compatible", "riscv,cpu-intc");
    cell(t, "phandle", HART_PHANDLE + h);
    end(t);
    end(t);
}

static void add_harts(struct tree *t)
{
    begin(t, "cpus");
    address_cells(t, 1, 0);
    cell(t, "timebase-frequency", ACLINT_HZ);
    for (unsigned h = 0; h < t->cfg->nharts; h++)
        add_hart(t, h);
    end(t);
}

static void add_memory(struct tree *t)
{
    begin_at(t, "memory", VIRT_RAM_BASE);
    text(t, "device_type", "memory");
    reg(t, VIRT_RAM_BASE, t->cfg->ram);
    end(t);
}

static void add_chosen(struct tree *t)
{
    const struct virt_fdt_config *c = t->cfg;
    begin(t, "chosen");
    text(t, "bootargs", c->cmdline ? c->cmdline : "");
    text(t, "stdout-path", "/soc/serial@10000000");
    note(t, fdt_property(t->buf, "rng-seed", c->seed, sizeof(c->seed)));
    if (c->initrd_len) {
        note(t, fdt_property_u64(t->buf, "linux,initrd-start", c->initrd));
        note(t, fdt_property_u64(t->buf, "linux,initrd-end", c->initrd + c->initrd_len));
    }
    end(t);
}

static void add_interrupt_chips(struct tree *t)
{
    static const uint32_t clint[] = {LOCAL_MSI, LOCAL_MTI}, sswi[] = {LOCAL_SSI},
                          plic[] = {LOCAL_MEI, LOCAL_SEI};
    begin_at(t, "clint", VIRT_ACLINT_BASE);
    TEXTS(t, "compatible", "sifive,clint0\0riscv,clint0");
    reg(t, VIRT_ACLINT_BASE, ACLINT_LEN);
    hart_interrupts(t, clint, 2);
    end(t);
    begin_at(t, "sswi", VIRT_SSWI_BASE);
    text(t, "compatible", "riscv,aclint-sswi");
    reg(t, VIRT_SSWI_BASE, ACLINT_SSWI_LEN);
    hart_interrupts(t, sswi, 1);
    empty(t, "interrupt-controller");
    cell(t, "#interrupt-cells", 0);
    end(t);
    begin_at(t, "plic", VIRT_PLIC_BASE);
    TEXTS(t, "compatible", "sifive,plic-1.0.0\0riscv,plic0");
    reg(t, VIRT_PLIC_BASE, PLIC_LEN);
    hart_interrupts(t, plic, 2);
    cell(t, "riscv,ndev", PLIC_SOURCES - 1);
    empty(t, "interrupt-controller");
    cell(t, "#interrupt-cells", 1);
    cell(t, "#address-cells", 0);
    cell(t, "phandle", PLIC_PHANDLE);
    end(t);
}

static void add_devices(struct tree *t)
{
    begin_at(t, "serial", VIRT_UART_BASE);
    text(t, "compatible", "ns16550a");
    reg(t, VIRT_UART_BASE, 0x100);
    cell(t, "clock-frequency", VIRT_UART_CLOCK);
    plic_interrupt(t, VIRT_IRQ_UART);
    end(t);
    begin_at(t, "test", VIRT_FINISHER_BASE);
    TEXTS(t, "compatible", "sifive,test1\0sifive,test0\0syscon");
    reg(t, VIRT_FINISHER_BASE, FINISHER_LEN);
    cell(t, "phandle", FINISHER_PHANDLE);
    end(t);
    begin_at(t, "rtc", VIRT_RTC_BASE);
    text(t, "compatible", "google,goldfish-rtc");
    reg(t, VIRT_RTC_BASE, 0x1000);
    plic_interrupt(t, VIRT_IRQ_RTC);
    end(t);
    begin_at(t, "fw-cfg", VIRT_FW_CFG_BASE);
    text(t, "compatible", "qemu,fw-cfg-mmio");
    reg(t, VIRT_FW_CFG_BASE, 0x18);
    empty(t, "dma-coherent");
    end(t);
}

static void add_virtio(struct tree *t)
{
    for (unsigned n = 0; n < t->cfg->virtio_mmio; n++) {
        gpa_t base = VIRT_VIRTIO_BASE + n * GUEST_PAGE_SIZE;
        begin_at(t, "virtio_mmio", base);
        text(t, "compatible", "virtio,mmio");
        reg(t, base, GUEST_PAGE_SIZE);
        plic_interrupt(t, VIRT_IRQ_VIRTIO + n);
        end(t);
    }
}

/* A PCI address's first cell: the space in bits 24-25. [IEEE 1275 PCI binding 2.2.1] */
enum { PCI_SPACE_IO = 1u << 24, PCI_SPACE_MEM32 = 2u << 24, PCI_SPACE_MEM64 = 3u << 24 };

/* One of "ranges": the same addresses on both sides, but for ports. */
static unsigned pci_range(uint32_t *v, uint32_t space, gpa_t base, uint64_t size)
{
    gpa_t bus = space == PCI_SPACE_IO ? 0 : base;
    v[0] = space;
    v[1] = (uint32_t)(bus >> 32);
    v[2] = (uint32_t)bus;
    v[3] = (uint32_t)(base >> 32);
    v[4] = (uint32_t)base;
    v[5] = (uint32_t)(size >> 32);
    v[6] = (uint32_t)size;
    return 7;
}

/* Four slots are enough: the mask below leaves two bits of the slot number. */
static void pci_interrupt_map(struct tree *t)
{
    static const uint32_t mask[4] = {(PCI_INTX_LINES - 1) << 11, 0, 0, 7};
    uint32_t v[CELLS_MAX];
    unsigned at = 0;
    for (uint32_t slot = 0; slot < PCI_INTX_LINES; slot++) {
        for (uint32_t pin = 0; pin < PCI_INTX_LINES; pin++) {
            const uint32_t entry[] = {slot << 11,
                                      0,
                                      0,
                                      pin + 1,
                                      PLIC_PHANDLE,
                                      VIRT_IRQ_PCI + (slot + pin) % PCI_INTX_LINES};
            memcpy(v + at, entry, sizeof(entry));
            at += ARRAY_SIZE(entry);
        }
    }
    cells(t, "interrupt-map", v, at);
    cells(t, "interrupt-map-mask", mask, 4);
}

static void add_pci(struct tree *t)
{
    static const uint32_t buses[2] = {0, VIRT_ECAM_SIZE / PCI_ECAM_SIZE - 1};
    uint32_t ranges[3 * 7];
    unsigned n = pci_range(ranges, PCI_SPACE_IO, VIRT_PCI_PIO_BASE, VIRT_PCI_PIO_SIZE);
    n += pci_range(ranges + n, PCI_SPACE_MEM32, VIRT_PCI_MMIO_BASE, VIRT_PCI_MMIO_SIZE);
    n +=
        pci_range(ranges + n, PCI_SPACE_MEM64, virt_pci_high_base(t->cfg->ram), VIRT_PCI_HIGH_SIZE);
    begin_at(t, "pci", VIRT_ECAM_BASE);
    text(t, "compatible", "pci-host-ecam-generic");
    text(t, "device_type", "pci");
    address_cells(t, 3, 2);
    cell(t, "#interrupt-cells", 1);
    cell(t, "linux,pci-domain", 0);
    cells(t, "bus-range", buses, 2);
    empty(t, "dma-coherent");
    reg(t, VIRT_ECAM_BASE, VIRT_ECAM_SIZE);
    cells(t, "ranges", ranges, n);
    pci_interrupt_map(t);
    end(t);
}

/* For kernels that do not ask firmware to end the machine. */
static void add_syscon(struct tree *t, const char *name, const char *compatible, uint32_t value)
{
    begin(t, name);
    text(t, "compatible", compatible);
    cell(t, "regmap", FINISHER_PHANDLE);
    cell(t, "offset", 0);
    cell(t, "value", value);
    end(t);
}

int virt_fdt_build(const struct virt_fdt_config *cfg, void *buf, size_t cap)
{
    struct tree t = {.cfg = cfg, .buf = buf};
    note(&t, fdt_create(buf, (int)cap));
    note(&t, fdt_finish_reservemap(buf));
    begin(&t, "");
    text(&t, "compatible", "riscv-virtio");
    text(&t, "model", "doppel,virt");
    address_cells(&t, 2, 2);
    add_chosen(&t);
    add_memory(&t);
    add_harts(&t);
    add_syscon(&t, "poweroff", "syscon-poweroff", FINISHER_PASS);
    add_syscon(&t, "reboot", "syscon-reboot", FINISHER_RESET);
    begin(&t, "soc");
    text(&t, "compatible", "simple-bus");
    address_cells(&t, 2, 2);
    empty(&t, "ranges");
    add_interrupt_chips(&t);
    add_devices(&t);
    add_virtio(&t);
    add_pci(&t);
    end(&t);
    end(&t);
    note(&t, fdt_finish(buf));
    return t.err ? -ENOSPC : 0;
}
