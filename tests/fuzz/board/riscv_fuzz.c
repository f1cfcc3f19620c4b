/*
 * Any file as a RISC-V kernel, as its firmware and as its initrd. The first byte of the input
 * chooses which, the rest is the file.
 *
 * Checked each time: a failure has a sentence; the device tree's room is in RAM and nobody else's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "board/boot/riscv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 8 << 20, FDT = 4096 };
#define BASE UINT64_C(0x80000000)

static struct guest_mem mem;
static const struct e820_map map = {.e = {{BASE, RAM, E820_RAM}}, .n = 1};

static void boot(const char *path, uint8_t options)
{
    struct riscv_boot out;
    struct error err = {0};
    const struct riscv_boot_in in = {
        .kernel = path,
        .firmware = options & 1 ? path : NULL,
        .initrd = options & 2 ? path : NULL,
        .map = &map,
        .kernel_base = BASE + (2 << 20),
        .firmware_base = BASE,
        .fdt_len = FDT,
        .ram_is_zero = options & 4,
    };
    int rc = riscv_boot_load(&mem, &in, &out, &err);
    if (rc > 0 || (rc < 0 && !err.text[0]))
        abort();
    if (rc == 0 && (out.fdt < BASE || out.fdt + FDT > BASE + RAM))
        abort();
    if (rc == 0 && out.initrd_len && out.initrd < out.fdt + FDT &&
        out.fdt < out.initrd + out.initrd_len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    if (size < 1)
        return 0;
    if (!mem.nslots &&
        (guest_mem_init(&mem, RAM, NULL) || guest_mem_add_slot(&mem, BASE, RAM, false, NULL)))
        abort();
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    boot(path, data[0]);
    close(fd);
    return 0;
}
