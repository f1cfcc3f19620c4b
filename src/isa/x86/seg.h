/*
 * Segments: descriptors, loading, checks. [SDM 3A 3.4, 5]
 */
#ifndef DOPPEL_ISA_X86_SEG_H
#define DOPPEL_ISA_X86_SEG_H

#include "base/compiler.h"
#include "isa/x86/access.h"

/* A descriptor as read from a table; `high` is the upper dword of a 16-byte system descriptor. */
struct x86_desc {
    uint64_t raw;
    uint32_t high;
    gva_t at; /* where it stands, for the accessed and busy bits */
};

static inline unsigned desc_type(const struct x86_desc *d)
{
    return (d->raw >> 40) & 15;
}
static inline bool desc_s(const struct x86_desc *d)
{
    return (d->raw >> 44) & 1;
}
static inline unsigned desc_dpl(const struct x86_desc *d)
{
    return (d->raw >> 45) & 3;
}
static inline bool desc_p(const struct x86_desc *d)
{
    return (d->raw >> 47) & 1;
}
static inline bool desc_l(const struct x86_desc *d)
{
    return (d->raw >> 53) & 1;
}
static inline bool desc_db(const struct x86_desc *d)
{
    return (d->raw >> 54) & 1;
}
static inline bool desc_is_code(const struct x86_desc *d)
{
    return desc_s(d) && (desc_type(d) & 8);
}
static inline bool desc_conforming(const struct x86_desc *d)
{
    return desc_type(d) & 4;
}

/* Read the descriptor that `sel` names; false when outside its table or the table is null. `wide`:
 * 16-byte system descriptor of long mode. */
bool x86_desc_read(struct x86_cpu *c, uint16_t sel, bool wide, struct x86_desc *d) must_check;
/* Read or raise `vector`(sel). */
void x86_desc_fetch(struct x86_cpu *c, uint16_t sel, bool wide, uint8_t vector, struct x86_desc *d);
/* The hidden part of a segment register from a descriptor. */
void x86_seg_from_desc(struct x86_segment *s, uint16_t sel, const struct x86_desc *d);
/* Set the accessed bit in memory when it is clear. */
void x86_desc_mark_accessed(struct x86_cpu *c, struct x86_desc *d);

/* MOV to / POP of / LDS...: data segment load with all its checks; real and virtual-8086 mode too.
 */
void x86_load_data_seg(struct x86_cpu *c, unsigned seg, uint16_t sel);
void x86_seg_set_null(struct x86_segment *s, uint16_t sel);
/* Real-mode style: base = sel * 16. */
void x86_seg_set_real(struct x86_cpu *c, unsigned seg, uint16_t sel);

/* Load CS with CPL `cpl` and rip; recomputes the mode. No checks left to do. */
void x86_load_cs(struct x86_cpu *c, uint16_t sel, const struct x86_desc *d, unsigned cpl,
                 uint64_t rip);
/* Is `rip` inside the code segment `d` describes (or canonical for a 64-bit one)? Else #GP(0). */
bool x86_rip_ok(const struct x86_cpu *c, const struct x86_desc *d, uint64_t rip);
void x86_check_rip(struct x86_cpu *c, const struct x86_desc *d, uint64_t rip);

/* Are `size` bytes at `offset` inside the segment? */
bool x86_seg_in_limit(const struct x86_segment *s, uint64_t offset, unsigned size);

static inline bool x86_protected(const struct x86_cpu *c)
{
    return (c->cr0 & CR0_PE) && !(c->rflags & FL_VM);
}
static inline bool x86_long_mode(const struct x86_cpu *c)
{
    return c->efer & EFER_LMA;
}

#endif
