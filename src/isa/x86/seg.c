/*
 * Descriptor tables, segment register loads and the limit checks of legacy and compatibility code.
 */
#include "isa/x86/seg.h"
#include "isa/x86/mmu.h"
#include "isa/x86/trap.h"

bool x86_desc_read(struct x86_cpu *c, uint16_t sel, bool wide, struct x86_desc *d)
{
    uint64_t base = c->gdt_base, limit = c->gdt_limit;
    unsigned size = wide ? 16 : 8;
    if (sel & 4) {
        if (c->ldtr[0].unusable)
            return false;
        base = c->ldtr[0].base;
        limit = c->ldtr[0].limit;
    }
    if ((sel & ~7u) + size - 1 > limit)
        return false;
    d->at = base + (sel & ~7u);
    if (!x86_long_mode(c))
        d->at = (uint32_t)d->at;
    d->raw = x86_sys_load(c, d->at, 8);
    d->high = wide ? (uint32_t)x86_sys_load(c, d->at + 8, 4) : 0;
    return true;
}

void x86_desc_fetch(struct x86_cpu *c, uint16_t sel, bool wide, uint8_t vector, struct x86_desc *d)
{
    if (!(sel & ~3u) || !x86_desc_read(c, sel, wide, d))
        x86_raise_error(c, vector, sel & ~3u);
}

void x86_seg_from_desc(struct x86_segment *s, uint16_t sel, const struct x86_desc *d)
{
    uint32_t limit = (d->raw & 0xffff) | ((d->raw >> 32) & 0xf0000);
    s->sel = sel;
    s->attr = (d->raw >> 40) & 0xf0ff;
    s->limit = s->attr & ATTR_G ? limit << 12 | 0xfff : limit;
    s->base = ((d->raw >> 16) & 0xffffff) | ((d->raw >> 32) & 0xff000000) | (uint64_t)d->high << 32;
    s->unusable = false;
}

void x86_desc_mark_accessed(struct x86_cpu *c, struct x86_desc *d)
{
    if (!desc_s(d) || (desc_type(d) & 1))
        return;
    d->raw |= UINT64_C(1) << 40;
    x86_sys_store(c, d->at + 5, 1, (d->raw >> 40) & 0xff);
}

void x86_seg_set_null(struct x86_segment *s, uint16_t sel)
{
    /* AMD keeps the base, Intel clears it; Linux copes with both. Intel here. */
    *s = (struct x86_segment){.sel = sel, .unusable = true};
}

void x86_seg_set_real(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
    struct x86_segment *s = &c->seg[seg];
    s->sel = sel;
    s->base = (uint64_t)sel << 4;
    if (c->rflags & FL_VM) {
        s->limit = 0xffff;
        s->attr = 0xf3; /* present, DPL 3, writable data, accessed */
    } else if (s->unusable) {
        s->limit = 0xffff;
        s->attr = 0x93;
    } else {
        s->attr = (s->attr & (ATTR_DB | ATTR_G)) | 0x93; /* "unreal" limits survive */
    }
    s->unusable = false;
}

/* SS: writable data, RPL = DPL = CPL [SDM 2 MOV]. */
static void load_ss(struct x86_cpu *c, uint16_t sel)
{
    struct x86_desc d;
    if (!(sel & ~3u)) {
        /* A null SS is legal only in 64-bit code below CPL 3. */
        if (c->code_mode != 64 || c->cpl == 3 || (sel & 3) != c->cpl)
            x86_raise_gp(c, 0);
        x86_seg_set_null(&c->seg[SEG_SS], sel);
        c->seg[SEG_SS].attr = (uint16_t)(c->cpl << 5);
        return;
    }
    x86_desc_fetch(c, sel, false, VEC_GP, &d);
    bool writable_data = desc_s(&d) && !desc_is_code(&d) && (desc_type(&d) & 2);
    if (!writable_data || (sel & 3) != c->cpl || desc_dpl(&d) != c->cpl)
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(&d))
        x86_raise_error(c, VEC_SS, sel & ~3u);
    x86_desc_mark_accessed(c, &d);
    x86_seg_from_desc(&c->seg[SEG_SS], sel, &d);
}

void x86_load_data_seg(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
    struct x86_desc d;
    if (!x86_protected(c)) {
        x86_seg_set_real(c, seg, sel);
        return;
    }
    if (seg == SEG_SS) {
        load_ss(c, sel);
        x86_update_mode(c);
        return;
    }
    if (!(sel & ~3u)) {
        x86_seg_set_null(&c->seg[seg], sel);
        x86_update_mode(c);
        return;
    }
    x86_desc_fetch(c, sel, false, VEC_GP, &d);
    bool readable = desc_s(&d) && (!desc_is_code(&d) || (desc_type(&d) & 2));
    bool conforming = desc_is_code(&d) && desc_conforming(&d);
    unsigned rpl = sel & 3;
    if (!readable || (!conforming && (rpl > desc_dpl(&d) || c->cpl > desc_dpl(&d))))
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(&d))
        x86_raise_error(c, VEC_NP, sel & ~3u);
    x86_desc_mark_accessed(c, &d);
    x86_seg_from_desc(&c->seg[seg], sel, &d);
    x86_update_mode(c);
}

bool x86_rip_ok(const struct x86_cpu *c, const struct x86_desc *d, uint64_t rip)
{
    struct x86_segment s;
    if (x86_long_mode(c) && desc_l(d))
        return x86_canonical(rip);
    x86_seg_from_desc(&s, 0, d);
    return (uint32_t)rip <= s.limit;
}

void x86_check_rip(struct x86_cpu *c, const struct x86_desc *d, uint64_t rip)
{
    if (!x86_rip_ok(c, d, rip))
        x86_raise_gp(c, 0);
}

void x86_load_cs(struct x86_cpu *c, uint16_t sel, const struct x86_desc *d, unsigned cpl,
                 uint64_t rip)
{
    x86_seg_from_desc(&c->seg[SEG_CS], (uint16_t)((sel & ~3u) | cpl), d);
    c->cpl = cpl;
    c->rip = x86_long_mode(c) && desc_l(d) ? rip : (uint32_t)rip;
    x86_update_mode(c);
}

/* Offsets an expand-down data segment allows lie above its limit [SDM 3A 5.3]. */
bool x86_seg_in_limit(const struct x86_segment *s, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;
    bool expand_down = !(s->attr & 8) && (s->attr & 4);
    if (!expand_down) /* in a flat segment an access may wrap at 4 GiB */
        return last <= s->limit || (s->limit == UINT32_MAX && s->base == 0);
    return offset > s->limit && last <= (s->attr & ATTR_DB ? UINT32_MAX : UINT16_MAX);
}

static bool type_allows(const struct x86_cpu *c, const struct x86_segment *s,
                        enum x86_access_kind kind)
{
    if (!x86_protected(c))
        return true;
    bool code = s->attr & 8;
    if (kind == ACCESS_WRITE)
        return !code && (s->attr & 2);
    return !code || (s->attr & 2);
}

gva_t x86_seg_linear(struct x86_cpu *c, unsigned seg, uint64_t offset, unsigned size,
                     enum x86_access_kind kind)
{
    const struct x86_segment *s = &c->seg[seg];
    if (c->code_mode == 64)
        return offset + (seg >= SEG_FS ? s->base : 0);
    if (unlikely(s->unusable) || unlikely(!x86_seg_in_limit(s, offset, size)) ||
        unlikely(!type_allows(c, s, kind)))
        x86_raise_error(c, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return (uint32_t)(s->base + offset);
}
