/*
 * The E820 map of the pc board. The firmware tables are in reserved memory, and so is ECAM: Linux
 * trusts MCFG only for a region that the map or the DSDT reserves.
 */
#include "board/pc/memmap.h"

#include <errno.h>
#include <inttypes.h>

#include "board/pc/layout.h"

uint64_t pc_ram_low(uint64_t ram)
{
    return MIN(ram, PC_LOW_RAM_END);
}

uint64_t pc_ram_high(uint64_t ram)
{
    return ram - pc_ram_low(ram);
}

static void add(struct e820_map *map, gpa_t base, uint64_t len, enum e820_type type)
{
    if (len)
        map->e[map->n++] = (struct e820_entry){base, len, type};
}

int pc_memmap(uint64_t ram, struct e820_map *map, struct error *err)
{
    map->n = 0;
    if (ram < PC_RAM_MIN || ram > PC_RAM_MAX)
        return error_set(err, EINVAL,
                         "guest memory must be between %" PRIu64 " MiB and %" PRIu64
                         " GiB, not %" PRIu64 " MiB",
                         PC_RAM_MIN >> 20, PC_RAM_MAX >> 30, ram >> 20);
    if (ram % (1 << 20))
        return error_set(err, EINVAL, "guest memory must be a whole number of MiB");
    add(map, 0, PC_EBDA_BASE, E820_RAM);
    add(map, PC_EBDA_BASE, PC_VGA_BASE - PC_EBDA_BASE, E820_RESERVED);
    add(map, PC_BIOS_BASE, PC_BIOS_SIZE, E820_RESERVED);
    add(map, PC_HIGH_RAM_BASE, pc_ram_low(ram) - PC_HIGH_RAM_BASE, E820_RAM);
    add(map, PC_ECAM_BASE, PC_ECAM_SIZE, E820_RESERVED);
    add(map, PC_ABOVE_4G_BASE, pc_ram_high(ram), E820_RAM);
    return 0;
}
