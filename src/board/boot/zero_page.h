/*
 * Linux's boot_params, the "zero page": setup header, memory map, where initrd and command line
 * are. [Linux Documentation/arch/x86/zero-page.rst, boot.rst]
 */
#ifndef DOPPEL_BOARD_BOOT_ZERO_PAGE_H
#define DOPPEL_BOARD_BOOT_ZERO_PAGE_H

#include "board/boot/load.h"

/* Byte offsets, the same in the zero page and in a bzImage file. */
enum {
    ZP_RSDP = 0x70,
    ZP_EXT_RAMDISK_IMAGE = 0xc0,
    ZP_EXT_RAMDISK_SIZE = 0xc4,
    ZP_EXT_CMDLINE = 0xc8,
    ZP_E820_ENTRIES = 0x1e8,
    ZP_HEADER = 0x1f1, /* setup_header begins */
    ZP_SETUP_SECTS = 0x1f1,
    ZP_SYSSIZE = 0x1f4, /* in paragraphs of 16 bytes */
    ZP_VID_MODE = 0x1fa,
    ZP_BOOT_FLAG = 0x1fe,
    ZP_JUMP = 0x200, /* short jump; its displacement gives the header's end */
    ZP_MAGIC = 0x202,
    ZP_VERSION = 0x206,
    ZP_TYPE_OF_LOADER = 0x210,
    ZP_LOADFLAGS = 0x211,
    ZP_CODE32_START = 0x214,
    ZP_RAMDISK_IMAGE = 0x218,
    ZP_RAMDISK_SIZE = 0x21c,
    ZP_CMD_LINE = 0x228,
    ZP_INITRD_ADDR_MAX = 0x22c,
    ZP_KERNEL_ALIGNMENT = 0x230,
    ZP_RELOCATABLE = 0x234,
    ZP_XLOADFLAGS = 0x236,
    ZP_CMDLINE_SIZE = 0x238,
    ZP_PAYLOAD_OFFSET = 0x248,
    ZP_PAYLOAD_LENGTH = 0x24c,
    ZP_PREF_ADDRESS = 0x258,
    ZP_INIT_SIZE = 0x260,
    ZP_HEADER_END = 0x290, /* nothing of the header may reach beyond */
    ZP_E820_TABLE = 0x2d0,
    ZP_SIZE = 4096,
};

enum {
    LOADED_HIGH = 1 << 0,
    KASLR_FLAG = 1 << 1,
    CAN_USE_HEAP = 1 << 7,
    XLF_KERNEL_64 = 1 << 0,
};

/*
 * Takes the setup header from `file`, the first ZP_HEADER_END bytes of a bzImage (NULL: a vmlinux,
 * which has none), loads initrd and command line, writes the page, and leaves its address in
 * l->out->rsi.
 */
int zero_page_load(struct load *l, const uint8_t *file, gpa_t kernel, struct error *err) must_check;

#endif
