/* See debug.h. */
#include "isa/x86/debug.h"

enum { WHEN_EXEC, WHEN_WRITE, WHEN_IO, WHEN_ACCESS, BREAKPOINTS = 4 };

static bool armed(const struct x86_cpu *c, unsigned n)
{
    return c->dr[7] >> (2 * n) & 3;
}

static unsigned when(const struct x86_cpu *c, unsigned n)
{
    return c->dr[7] >> (16 + 4 * n) & 3;
}

/* Bytes it covers; its address is aligned to them. */
static unsigned length(const struct x86_cpu *c, unsigned n)
{
    static const uint8_t bytes[] = {1, 2, 8, 4};
    return bytes[c->dr[7] >> (18 + 4 * n) & 3];
}

static bool watches_data(const struct x86_cpu *c, unsigned n)
{
    return armed(c, n) && (when(c, n) == WHEN_WRITE || when(c, n) == WHEN_ACCESS);
}

unsigned x86_debug_exec_hits(const struct x86_cpu *c)
{
    gva_t at = c->code_mode == 64 ? c->rip : (uint32_t)(c->seg[SEG_CS].base + c->rip);
    unsigned hits = 0;
    if (c->rflags & FL_RF)
        return 0;
    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        if (armed(c, n) && when(c, n) == WHEN_EXEC && c->dr[n] == at)
            hits |= 1u << n;
    }
    return hits;
}

void x86_debug_note_data(struct x86_cpu *c, gva_t va, unsigned size, bool write)
{
    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        unsigned len = length(c, n);
        gva_t first = c->dr[n] & ~(gva_t)(len - 1);
        if (watches_data(c, n) && (write || when(c, n) == WHEN_ACCESS) && va < first + len &&
            first < va + size)
            c->debug_hits |= 1u << n;
    }
}

bool x86_debug_watches_page(const struct x86_cpu *c, gva_t va)
{
    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        if (watches_data(c, n) && (c->dr[n] ^ va) < GUEST_PAGE_SIZE)
            return true;
    }
    return false;
}
