/*
 * The boot CPU's state at the guest's first instruction, with the tables it needs in guest memory.
 */
#ifndef DOPPEL_BOARD_BOOT_CPU_ENTRY_H
#define DOPPEL_BOARD_BOOT_CPU_ENTRY_H

#include "board/boot/load.h"

/* Selectors of the table written to guest memory; 0x10 and 0x18 are what Linux wants to find. */
enum { ENTRY_CS = 0x10, ENTRY_DS = 0x18, ENTRY_TR = 0x20 };

/* 32-bit protected mode, flat segments, paging off; fills l->out except for rax, rbx and rsi. */
int cpu_entry_prot32(struct load *l, gpa_t rip, struct error *err) must_check;

/* 64-bit mode; page tables map the first 4 GiB one to one with 2 MiB pages. */
int cpu_entry_long64(struct load *l, gpa_t rip, struct error *err) must_check;

#endif
