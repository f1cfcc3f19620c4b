/*
 * Where RAM lies for a given amount of it, and the memory map the guest is told.
 */
#ifndef DOPPEL_BOARD_PC_MEMMAP_H
#define DOPPEL_BOARD_PC_MEMMAP_H

#include "board/boot/boot.h"

/* Bytes of RAM below the PCI hole, from address 0, and above 4 GiB. */
uint64_t pc_ram_low(uint64_t ram);
uint64_t pc_ram_high(uint64_t ram);

/* The map for `ram` bytes; -EINVAL with a sentence when the size is not one this board can have. */
int pc_memmap(uint64_t ram, struct e820_map *map, struct error *err) must_check;

#endif
