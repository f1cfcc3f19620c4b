/*
 * Breakpoints in DR0-DR3. [SDM 3B 18.2]
 */
#include "isa/x86/debug.h"

#include "isa/x86/seg.h"
#include "isa/x86/system.h"

/* DR7 fields of breakpoint i. */
enum { RW_EXEC, RW_WRITE, RW_IO, RW_ACCESS };

static bool enabled(const struct x86_cpu *c, unsigned i)
{
    return c->dr[7] >> (2 * i) & 3;
}

static unsigned kind_of(const struct x86_cpu *c, unsigned i)
{
    return c->dr[7] >> (16 + 4 * i) & 3;
}

static unsigned length_of(const struct x86_cpu *c, unsigned i)
{
    static const uint8_t bytes[] = {1, 2, 8, 4};
    return bytes[c->dr[7] >> (18 + 4 * i) & 3];
}

/* The breakpoint's first byte: address bits below its length do not count. */
static uint64_t start_of(const struct x86_cpu *c, unsigned i)
{
    return c->dr[i] & ~(uint64_t)(length_of(c, i) - 1);
}

static bool hits(const struct x86_cpu *c, unsigned i, uint64_t at, unsigned size)
{
    uint64_t start = start_of(c, i);
    return at - start < length_of(c, i) || start - at < size;
}

static uint8_t watching(const struct x86_cpu *c)
{
    uint8_t w = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (!enabled(c, i))
            continue;
        if (kind_of(c, i) == RW_EXEC)
            w |= X86_WATCH_INSN;
        else if (kind_of(c, i) != RW_IO)
            w |= X86_WATCH_DATA;
        else if (c->cr4 & CR4_DE)
            w |= X86_WATCH_IO; /* without CR4.DE the encoding is undefined: nothing */
    }
    return w;
}

void x86_debug_update(struct x86_cpu *c)
{
    c->watching = watching(c);
    if (c->watching & X86_WATCH_INSN)
        x86_want_attention(c, X86_ATTN_STATE);
}

void x86_debug_write(struct x86_cpu *c, unsigned n, uint64_t v)
{
    bool had = c->watching & X86_WATCH_DATA;
    if (n == 6)
        v = (v & 0xe00f) | 0xffff0ff0;
    else if (n == 7)
        v = (v & 0xffff23ff) | 0x400;
    c->dr[n] = v;
    x86_debug_update(c);
    if (n != 6 && (had || (c->watching & X86_WATCH_DATA)))
        c->slow->flush_all(c, false);
}

bool x86_debug_page(const struct x86_cpu *c, gva_t va)
{
    for (unsigned i = 0; i < 4; i++) {
        if (enabled(c, i) && (kind_of(c, i) & RW_WRITE) &&
            (c->dr[i] & GUEST_PAGE_MASK) == (va & GUEST_PAGE_MASK))
            return true;
    }
    return false;
}

static void hit(struct x86_cpu *c, unsigned i)
{
    c->pending_debug |= 1u << i;
    x86_want_attention(c, X86_ATTN_STATE);
}

void x86_debug_data(struct x86_cpu *c, gva_t va, unsigned size, bool write)
{
    /* The CPU's own accesses while it delivers an event do not count: a breakpoint on the stack of
     * the #DB handler would never end. */
    if (!c->op)
        return;
    for (unsigned i = 0; i < 4; i++) {
        unsigned kind = kind_of(c, i);
        if (enabled(c, i) && (kind == RW_ACCESS || (kind == RW_WRITE && write)) &&
            hits(c, i, va, size))
            hit(c, i);
    }
}

void x86_debug_io(struct x86_cpu *c, uint16_t port, unsigned size)
{
    for (unsigned i = 0; i < 4; i++) {
        if (enabled(c, i) && kind_of(c, i) == RW_IO && hits(c, i, port, size))
            hit(c, i);
    }
}

uint32_t x86_debug_insn(const struct x86_cpu *c, gva_t va)
{
    uint32_t causes = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (enabled(c, i) && kind_of(c, i) == RW_EXEC && c->dr[i] == va)
            causes |= 1u << i;
    }
    return causes;
}

void x86_debug_report(struct x86_cpu *c, uint32_t causes)
{
    c->dr[6] = (c->dr[6] & ~UINT64_C(15)) | causes;
}
