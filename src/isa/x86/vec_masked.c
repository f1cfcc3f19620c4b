/*
 * Vector instructions that touch memory element by element: masked loads and stores, gathers. Only
 * enabled elements are accessed, so the host must not run them on a copied operand.
 * [SDM 2 VMASKMOV, VPMASKMOV, MASKMOVDQU, VGATHERDPS and the like, 14.9]
 */
#include "isa/x86/native_impl.h"
#include "isa/x86/x87.h"

#define HANDLER(name) static void name(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)

enum { VEC_BYTES = 32 };

static uint8_t *vec_half(struct x86_cpu *c, unsigned reg, unsigned half)
{
    return c->xsave + (half ? XS_YMMH : XS_XMM) + 16 * reg;
}

/* Byte `off` of a YMM register. */
static uint8_t *vec_at(struct x86_cpu *c, unsigned reg, unsigned off)
{
    return vec_half(c, reg, off / 16) + off % 16;
}

static void vec_get(struct x86_cpu *c, unsigned reg, uint8_t v[VEC_BYTES])
{
    memcpy(v, vec_half(c, reg, 0), 16);
    memcpy(v + 16, vec_half(c, reg, 1), 16);
}

static void vec_put(struct x86_cpu *c, unsigned reg, const uint8_t v[VEC_BYTES])
{
    memcpy(vec_half(c, reg, 0), v, 16);
    memcpy(vec_half(c, reg, 1), v + 16, 16);
}

/* Element size of VMASKMOVPS/PD (2C-2F: by opcode) and VPMASKMOVD/Q (8C, 8E: by W). */
static unsigned elem_size(const struct native_thunk *t)
{
    if (t->opcode >= 0x80)
        return t->flags & NT_W ? 8 : 4;
    return t->opcode & 1 ? 8 : 4;
}

/* An element's mask is its uppermost bit. */
static bool enabled(const uint8_t *mask, unsigned elem, unsigned size)
{
    return mask[elem * size + size - 1] & 0x80;
}

HANDLER(run_vmaskmov_load)
{
    uint8_t mask[VEC_BYTES], v[VEC_BYTES] = {0};
    unsigned size = elem_size(t);

    native_check(c, t);
    vec_get(c, t->vvvv, mask);
    for (unsigned i = 0; i < t->len / size; i++)
        if (enabled(mask, i, size))
            memcpy(v + i * size, native_load(c, va_add(c, ea, i * size), size), size);
    vec_put(c, t->reg, v);
}

/*
 * Store the enabled elements. The page of the last one is tried before the first is written: then
 * either all or none of the stores fault, as an operand spans two pages at most.
 */
static void store_enabled(struct x86_cpu *c, gva_t ea, const uint8_t *v, const uint8_t *mask,
                          unsigned n, unsigned size)
{
    int last = -1;

    for (unsigned i = 0; i < n; i++)
        if (enabled(mask, i, size))
            last = (int)i;
    if (last < 0)
        return;
    gva_t end = va_add(c, ea, (unsigned)last * size + size - 1);
    if ((ea ^ end) & GUEST_PAGE_MASK)
        c->slow->rmw_ptr(c, end, 1);
    for (unsigned i = 0; i < n; i++)
        if (enabled(mask, i, size))
            native_store(c, va_add(c, ea, i * size), v + i * size, size);
}

HANDLER(run_vmaskmov_store)
{
    uint8_t mask[VEC_BYTES], v[VEC_BYTES];
    unsigned size = elem_size(t);

    native_check(c, t);
    vec_get(c, t->vvvv, mask);
    vec_get(c, t->reg, v);
    store_enabled(c, ea, v, mask, t->len / size, size);
}

/* The implicit operand seg:[rDI] of MASKMOVQ and MASKMOVDQU. */
static gva_t rdi_operand(struct x86_cpu *c, unsigned size)
{
    const struct x86_op *op = c->op;
    uint64_t off = c->gpr[RDI];

    if (op->addr_size == 4)
        off = (uint32_t)off;
    else if (op->addr_size == 2)
        off = (uint16_t)off;
    return seg_addr(c, op, off, size, ACCESS_WRITE);
}

HANDLER(run_maskmovdqu)
{
    native_check(c, t);
    ea = rdi_operand(c, 16);
    x86_align_check(c, ea, 8);
    store_enabled(c, ea, vec_half(c, t->reg, 0), vec_half(c, t->rm, 0), 16, 1);
}

/* With TOP = 0. */
static const uint8_t *mmx_reg(const struct x86_cpu *c, unsigned reg)
{
    return c->xsave + XS_ST + 16 * (reg & 7);
}

HANDLER(run_maskmovq)
{
    native_check(c, t);
    x87_check_pending(c);
    x87_enter_mmx(c); /* a fault of the store does not undo it */
    ea = rdi_operand(c, 8);
    x86_align_check(c, ea, 8);
    store_enabled(c, ea, mmx_reg(c, t->reg), mmx_reg(c, t->rm), 8, 1);
}

/* Gathers: 90 VPGATHERDx, 91 VPGATHERQx, 92 VGATHERDPx, 93 VGATHERQPx; W: 8-byte elements. */
static uint64_t gather_index(struct x86_cpu *c, const struct native_thunk *t, unsigned elem)
{
    int32_t d;
    uint64_t q;

    if (t->opcode & 1) {
        memcpy(&q, vec_at(c, t->index, elem * 8), 8);
        return q;
    }
    memcpy(&d, vec_at(c, t->index, elem * 4), 4);
    return (uint64_t)(int64_t)d;
}

static gva_t gather_address(struct x86_cpu *c, gva_t ea, uint64_t index, unsigned size)
{
    const struct x86_op *op = c->op;
    uint64_t base =
        op->flags & OP_LEGACY ? c->seg[op->seg].base : REG(c, op->seg_base, const uint64_t);
    uint64_t off = ea - base + index;

    if (op->addr_size == 4)
        off = (uint32_t)off;
    return seg_addr(c, op, off, size, ACCESS_READ);
}

/* An element of the mask counts by its sign and is all ones or zero from then on. */
static void gather_spread_mask(struct x86_cpu *c, const struct native_thunk *t, unsigned n,
                               unsigned size)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t *mask = vec_at(c, t->vvvv, i * size);
        memset(mask, mask[size - 1] & 0x80 ? 0xff : 0, size);
    }
}

/*
 * Elements are fetched in order. Each is committed and its mask cleared at once: after a fault the
 * instruction is run again and goes on where it stopped.
 */
static void gather(struct x86_cpu *c, const struct native_thunk *t, gva_t ea, unsigned n)
{
    unsigned size = t->flags & NT_W ? 8 : 4;

    gather_spread_mask(c, t, n, size);
    for (unsigned i = 0; i < n; i++) {
        uint8_t *mask = vec_at(c, t->vvvv, i * size);
        if (!mask[0])
            continue;
        gva_t va = gather_address(c, ea, gather_index(c, t, i) << t->scale, size);
        memcpy(vec_at(c, t->reg, i * size), native_load(c, va, size), size);
        memset(mask, 0, size);
    }
}

/* Register bytes from `from` on become zero. */
static void vec_clear_from(struct x86_cpu *c, unsigned reg, unsigned from)
{
    for (unsigned i = from; i < VEC_BYTES; i++)
        *vec_at(c, reg, i) = 0;
}

HANDLER(run_gather)
{
    unsigned size = t->flags & NT_W ? 8 : 4, index_size = t->opcode & 1 ? 8 : 4;
    unsigned n = t->len / MAX(size, index_size);

    native_check(c, t);
    if (t->reg == t->index || t->reg == t->vvvv || t->index == t->vvvv)
        x86_raise(c, VEC_UD);
    gather(c, t, ea, n);
    vec_clear_from(c, t->reg, n * size);
    vec_clear_from(c, t->vvvv, 0);
}

x86_native_fn *vec_masked_handler(const struct x86_insn *in, struct native_thunk *t)
{
    switch (in->iclass) {
    case X86_I_MASKMOVDQU:
    case X86_I_VMASKMOVDQU:
        return run_maskmovdqu;
    case X86_I_MASKMOVQ:
        return run_maskmovq;
    case X86_I_VMASKMOVPS:
    case X86_I_VMASKMOVPD:
    case X86_I_VPMASKMOVD:
    case X86_I_VPMASKMOVQ:
        return t->mem_access & X86_W ? run_vmaskmov_store : run_vmaskmov_load;
    case X86_I_VPGATHERDD:
    case X86_I_VPGATHERDQ:
    case X86_I_VPGATHERQD:
    case X86_I_VPGATHERQQ:
    case X86_I_VGATHERDPS:
    case X86_I_VGATHERDPD:
    case X86_I_VGATHERQPS:
    case X86_I_VGATHERQPD:
        return run_gather;
    default:
        return NULL;
    }
}
