/* The device tree, read back by libfdt: what a kernel will look for. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "board/virt/fdt.h"
#include "board/virt/layout.h"

static uint8_t tree[VIRT_FDT_SIZE];

static struct virt_fdt_config config(void)
{
    return (struct virt_fdt_config){.nharts = 3,
                                    .ram = UINT64_C(6) << 30,
                                    .isa = "rv64imafdc",
                                    .cmdline = "console=ttyS0",
                                    .initrd = 0x90000000,
                                    .initrd_len = 0x1234,
                                    .virtio_mmio = 2,
                                    .seed = {1, 2, 3}};
}

static void build(const struct virt_fdt_config *c)
{
    assert_int_equal(virt_fdt_build(c, tree, sizeof(tree)), 0);
    assert_int_equal(fdt_check_full(tree, sizeof(tree)), 0);
}

static const void *property(const char *path, const char *name, int *len)
{
    int node = fdt_path_offset(tree, path);
    if (node < 0)
        fail_msg("no node %s", path);
    const void *p = fdt_getprop(tree, node, name, len);
    if (!p)
        fail_msg("no %s in %s", name, path);
    return p;
}

static uint64_t number(const char *path, const char *name, unsigned at)
{
    int len;
    const fdt32_t *p = property(path, name, &len);
    assert_true((at + 1) * 4 <= (unsigned)len);
    return fdt32_to_cpu(p[at]);
}

static void memory_and_chosen(void **state)
{
    struct virt_fdt_config c = config();
    int len;
    (void)state;
    build(&c);
    assert_int_equal(number("/memory@80000000", "reg", 1), 0x80000000);
    assert_int_equal(number("/memory@80000000", "reg", 2), 1);
    assert_int_equal(number("/memory@80000000", "reg", 3), 0x80000000);
    assert_string_equal(property("/chosen", "bootargs", &len), "console=ttyS0");
    assert_int_equal(number("/chosen", "linux,initrd-start", 1), 0x90000000);
    assert_int_equal(number("/chosen", "linux,initrd-end", 1), 0x90001234);
    assert_memory_equal(property("/chosen", "rng-seed", &len), c.seed, sizeof(c.seed));
    assert_true(fdt_path_offset(tree, property("/chosen", "stdout-path", &len)) >= 0);
    c.initrd_len = 0;
    build(&c);
    assert_null(fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "linux,initrd-start", &len));
}

/* Each hart's interrupts arrive at its own controller, by the PLIC's and the ACLINT's numbering. */
static void harts(void **state)
{
    struct virt_fdt_config c = config();
    int len;
    (void)state;
    build(&c);
    assert_int_equal(number("/cpus", "timebase-frequency", 0), 10000000);
    for (unsigned h = 0; h < 3; h++) {
        char cpu[32], intc[64];
        snprintf(cpu, sizeof(cpu), "/cpus/cpu@%u", h);
        snprintf(intc, sizeof(intc), "%s/interrupt-controller", cpu);
        assert_int_equal(number(cpu, "reg", 0), h);
        assert_string_equal(property(cpu, "riscv,isa", &len), "rv64imafdc");
        uint64_t phandle = number(intc, "phandle", 0);
        const char *plic = "/soc/plic@c000000", *clint = "/soc/clint@2000000";
        assert_int_equal(number(plic, "interrupts-extended", 4 * h), phandle);
        assert_int_equal(number(plic, "interrupts-extended", 4 * h + 1), 11);
        assert_int_equal(number(plic, "interrupts-extended", 4 * h + 2), phandle);
        assert_int_equal(number(plic, "interrupts-extended", 4 * h + 3), 9);
        assert_int_equal(number(clint, "interrupts-extended", 4 * h + 1), 3);
        assert_int_equal(number(clint, "interrupts-extended", 4 * h + 3), 7);
    }
    assert_true(fdt_path_offset(tree, "/cpus/cpu@3") < 0);
}

static void devices(void **state)
{
    struct virt_fdt_config c = config();
    (void)state;
    build(&c);
    uint64_t plic = number("/soc/plic@c000000", "phandle", 0);
    assert_int_equal(number("/soc/serial@10000000", "interrupt-parent", 0), plic);
    assert_int_equal(number("/soc/serial@10000000", "interrupts", 0), VIRT_IRQ_UART);
    assert_int_equal(number("/soc/virtio_mmio@10002000", "interrupts", 0), 2);
    assert_true(fdt_path_offset(tree, "/soc/virtio_mmio@10003000") < 0);
    assert_int_equal(number("/reboot", "value", 0), 0x7777);
    assert_int_equal(number("/poweroff", "regmap", 0), number("/soc/test@100000", "phandle", 0));
}

/* Slot 1's INTA is the second line; the high window lies behind 6 GiB of RAM from 2 GiB on. */
static void pci(void **state)
{
    struct virt_fdt_config c = config();
    const char *path = "/soc/pci@30000000";
    int len;
    (void)state;
    build(&c);
    property(path, "interrupt-map", &len);
    assert_int_equal(len, 16 * 6 * 4);
    assert_int_equal(number(path, "interrupt-map", 4 * 6), 1 << 11);
    assert_int_equal(number(path, "interrupt-map", 4 * 6 + 3), 1);
    assert_int_equal(number(path, "interrupt-map", 4 * 6 + 5), VIRT_IRQ_PCI + 1);
    assert_int_equal(number(path, "interrupt-map-mask", 0), 3 << 11);
    assert_int_equal(number(path, "ranges", 2 * 7), 3u << 24);
    assert_int_equal(number(path, "ranges", 2 * 7 + 3), 4);
    assert_int_equal(number(path, "ranges", 2 * 7 + 4), 0);
}

static void too_long_a_command_line(void **state)
{
    static char text[VIRT_FDT_SIZE];
    struct virt_fdt_config c = config();
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    c.cmdline = text;
    assert_int_equal(virt_fdt_build(&c, tree, sizeof(tree)), -ENOSPC);
    c.cmdline = NULL;
    build(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_and_chosen),
        cmocka_unit_test(harts),
        cmocka_unit_test(devices),
        cmocka_unit_test(pci),
        cmocka_unit_test(too_long_a_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
