/*
 * Loading a guest: kernel, initrd and command line into guest RAM, and a plain description of the
 * state in which the boot CPU enters it.
 *
 * Four ways in, chosen by what the kernel file is:
 *   bzImage    Linux boot protocol, 64-bit entry          bzimage.c
 *   ELF        Xen PVH note, 32-bit protected mode entry  pvh.c
 *   ELF/a.out  multiboot 1 header, 32-bit entry           multiboot.c
 *   ELF64      x86-64 Linux without a PVH note: 64-bit entry with boot_params
 *
 * Files are hostile: every offset and size is checked, and a bad file ends in one sentence. The
 * board calls boot_load() at power-on and again at every reset; nothing is remembered in between.
 */
#ifndef DOPPEL_BOARD_BOOT_BOOT_H
#define DOPPEL_BOARD_BOOT_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"
#include "mem/guest_mem.h"

/* Address range types as the BIOS call E820 numbers them. [ACPI 6.5 15.2] */
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

struct e820_entry {
    gpa_t base;
    uint64_t len;
    enum e820_type type;
};

enum { E820_MAX = 32 };

/* Sorted by base, no overlaps. */
struct e820_map {
    struct e820_entry e[E820_MAX];
    unsigned n;
};

struct boot_params_in {
    const char *kernel;
    const char *initrd;  /* NULL: none. For multiboot: "FILE [ARGS]", several separated by commas */
    const char *cmdline; /* NULL: empty */
    const struct e820_map *map;
    gpa_t rsdp;        /* ACPI root pointer; 0: none */
    bool guest_unpack; /* let a bzImage decompress itself inside the guest */
    bool no_cache;     /* do not read or write the cache of unpacked kernels */
    bool ram_is_zero;  /* RAM was never written: zero pages need not be */
};

enum boot_mode { BOOT_PROT32, BOOT_LONG64 };

/* `attr` is bits 8-23 of the descriptor's high dword without the limit, as in struct x86_seg. */
struct boot_seg {
    uint16_t sel, attr;
    uint32_t limit; /* bytes */
    uint64_t base;
};

/*
 * The boot CPU at the guest's first instruction. What is not named here is zero, except: rflags is
 * 2, the IDT has base 0 and limit 0, everything else is as after INIT. With BOOT_PROT32 paging is
 * off, with BOOT_LONG64 cr3 maps the first 4 GiB one to one.
 */
struct boot_entry {
    enum boot_mode mode;
    uint64_t rip, rsp;
    uint64_t rax, rbx, rsi;
    uint64_t cr0, cr3, cr4, efer;
    gpa_t gdt_base; /* also in guest memory, so that the guest may reload its segments */
    uint16_t gdt_limit;
    struct boot_seg cs, data /* DS ES FS GS SS */, tr;
    const char *protocol; /* "linux64", "pvh", "multiboot": static text */
};

/*
 * Load everything into `mem` and describe the entry. The ranges of `in->map` of type E820_RAM are
 * all that is written to. Returns 0, or -errno with a sentence in `err`.
 */
int boot_load(struct guest_mem *mem, const struct boot_params_in *in, struct boot_entry *out,
              struct error *err) must_check;

#endif
