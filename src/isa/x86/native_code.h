/*
 * Putting host code together: shared by the files that emit thunks.
 */
#ifndef DOPPEL_ISA_X86_NATIVE_CODE_H
#define DOPPEL_ISA_X86_NATIVE_CODE_H

#include "isa/x86/native_impl.h"

enum { HOST_RAX = 0, HOST_RCX = 1, HOST_RDX = 2, HOST_RSI = 6, HOST_RDI = 7 };

static inline void e8(struct native_code *k, unsigned v)
{
    k->bytes[k->len++] = (uint8_t)v;
}

static inline void e32(struct native_code *k, uint32_t v)
{
    memcpy(k->bytes + k->len, &v, 4);
    k->len += 4;
}

static inline void bytes3(struct native_code *k, unsigned a, unsigned b, unsigned c)
{
    e8(k, a);
    e8(k, b);
    e8(k, c);
}

/* ModRM and displacement of a field of struct x86_cpu. */
static inline void e_field(struct native_code *k, unsigned reg, size_t off)
{
    e8(k, 0x80 | (reg & 7) << 3 | HOST_RDI);
    e32(k, (uint32_t)off);
}

/* lahf; seto al; mov [arith], ax */
static inline void flags_keep(struct native_code *k)
{
    e8(k, 0x9f);
    bytes3(k, 0x0f, 0x90, 0xc0);
    bytes3(k, 0x66, 0x89, 0x80 | HOST_RAX << 3 | HOST_RDI);
    e32(k, (uint32_t)offsetof(struct x86_cpu, arith));
}

/* mov ax, [arith]; sahf. Good for all flags but OF, which FCMOVcc does not read. */
static inline void flags_load(struct native_code *k)
{
    bytes3(k, 0x66, 0x8b, 0x80 | HOST_RAX << 3 | HOST_RDI);
    e32(k, (uint32_t)offsetof(struct x86_cpu, arith));
    e8(k, 0x9e);
}

#endif
