/*
 * Any file as a kernel: boot_load() from recognition to entry state. The first byte of the input
 * chooses options, the rest is the file.
 *
 * Checked each time: a failure has a sentence; nothing outside the memory map's RAM is written; an
 * entry point is set.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "board/boot/boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 4 << 20, HOLE = 0x80000, HOLE_END = 0x100000 };

static struct guest_mem mem;
static struct e820_map map = {
    .e = {{0, HOLE, E820_RAM},
          {HOLE, HOLE_END - HOLE, E820_RESERVED},
          {HOLE_END, RAM - HOLE_END, E820_RAM}},
    .n = 3,
};

static void make_memory(void)
{
    if (mem.nslots)
        return;
    if (guest_mem_init(&mem, RAM, NULL) || guest_mem_add_slot(&mem, 0, RAM, false, NULL))
        abort();
}

static void check_hole(void)
{
    static uint8_t hole[HOLE_END - HOLE], zero[HOLE_END - HOLE];
    if (gpa_read(&mem, HOLE, hole, sizeof(hole)) || memcmp(hole, zero, sizeof(hole)) != 0)
        abort();
}

static void boot(const char *path, uint8_t options)
{
    struct boot_entry entry;
    struct error err = {0};
    struct boot_params_in in = {
        .kernel = path,
        .initrd = options & 1 ? path : NULL,
        .cmdline = options & 2 ? "console=ttyS0" : NULL,
        .map = &map,
        .rsdp = 0xe0000,
        .guest_unpack = options & 4,
        .no_cache = true,
        .ram_is_zero = options & 8,
    };
    int rc = boot_load(&mem, &in, &entry, &err);
    if (rc > 0 || (rc < 0 && !err.text[0]) || (rc == 0 && !entry.protocol))
        abort();
    check_hole();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    if (size < 1)
        return 0;
    make_memory();
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    boot(path, data[0]);
    close(fd);
    return 0;
}
