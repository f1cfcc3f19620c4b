/* Any bytes as an ELF file: parsing, notes, entry point, loading from a buffer. */
#include <stdlib.h>

#include "board/boot/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 1 << 20 };

static struct guest_mem mem;
static const struct e820_map map = {.e = {{0, RAM, E820_RAM}}, .n = 1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct elf_note_id id = {"Xen", 18};
    struct boot_ram ram = {&mem, size & 1};
    struct error err = {0};
    struct boot_file img;
    struct place place;
    struct elf elf;
    uint8_t desc[8];

    if (!mem.nslots &&
        (guest_mem_init(&mem, RAM, NULL) || guest_mem_add_slot(&mem, 0, RAM, false, NULL)))
        abort();
    boot_file_from_buffer(&img, data, size, "fuzz", "kernel");
    if (elf_parse(&elf, &img, ELF_FOR_X86, &err))
        return 0;
    if (elf_note(&elf, &img, &id, desc, sizeof(desc), &err) > (int)sizeof(desc))
        abort();
    (void)elf_entry(&elf);
    place_init(&place, &map);
    int rc = elf_load(&elf, &img, &ram, &place, &err);
    if (rc && !err.text[0])
        abort();
    return 0;
}
