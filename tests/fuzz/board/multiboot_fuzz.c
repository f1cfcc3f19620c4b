/*
 * Any bytes as a multiboot kernel, which is also its own module: header search, loading by
 * addresses or as ELF, the information structure.
 */
#include <stdlib.h>
#include <string.h>

#include "board/boot/multiboot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 2 << 20 };

static struct guest_mem mem;
static const struct e820_map map = {
    .e = {{0, 0x80000, E820_RAM}, {0x100000, RAM - 0x100000, E820_RAM}}, .n = 2};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct boot_params_in in = {.map = &map, .cmdline = "a b", .no_cache = true};
    struct boot_entry entry = {0};
    struct load l = {.ram = {&mem, size & 1}, .in = &in, .out = &entry};
    struct multiboot_header h;
    struct error err = {0};

    if (!mem.nslots &&
        (guest_mem_init(&mem, RAM, NULL) || guest_mem_add_slot(&mem, 0, RAM, false, NULL)))
        abort();
    if (!multiboot_find_header(data, size, &h))
        return 0;
    boot_file_from_buffer(&l.kernel, data, size, "fuzz", "kernel");
    place_init(&l.place, &map);
    int rc = multiboot_load(&l, &h, &err);
    if (rc > 0 || (rc && !err.text[0]) || (!rc && entry.rax != 0x2badb002))
        abort();
    return 0;
}
