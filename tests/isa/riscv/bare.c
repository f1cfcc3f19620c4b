/*
 * The instruction tests without a system under them, on the board `virt`: snippet.S comes here in
 * S-mode under Sv39, memory mapped one to one. The group is in the kernel's command line:
 * insn:GROUP or insn:GROUP,LINE.
 */
#include "snippet.h"

enum { V = 1, R = 2, W = 4, X = 8, A = 64, D_BIT = 128, ALL = V | R | W | X | A | D_BIT };
enum { FDT_SIZE_AT = 4, FINISHED = 0x5555 };

#define UART     ((volatile uint8_t *)0x10000000)
#define FINISHER ((volatile uint32_t *)0x100000)

/* The first GiB, devices, and the first of memory. snippet.S puts it into satp. */
uint64_t bare_root[512] __attribute__((aligned(4096))) = {
    [0] = ALL,
    [2] = 0x80000000u >> 2 | ALL,
};

bool bare;

void bare_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *UART = (uint8_t)text[i];
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* What stands behind "insn:" in the device tree; it ends with a NUL there. */
static char *arguments(uint8_t *fdt)
{
    static const char mark[] = "insn:";
    const uint32_t size = big_endian(fdt + FDT_SIZE_AT);

    for (uint32_t at = 0; at + sizeof(mark) < size; at++) {
        unsigned n = 0;
        while (mark[n] && fdt[at + n] == (uint8_t)mark[n])
            n++;
        if (!mark[n])
            return (char *)fdt + at + n;
    }
    return NULL;
}

void bare_main(uint8_t *fdt)
{
    char *argv[] = {"insn", arguments(fdt), NULL};
    long argc = argv[1] ? 2 : 1;

    bare = true;
    for (char *p = argv[1]; p && *p; p++) {
        if (*p == ',') {
            *p = 0;
            argv[argc++] = p + 1;
            break;
        }
    }
    test_main(argc, argv);
    for (;;)
        *FINISHER = FINISHED;
}
