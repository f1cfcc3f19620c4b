/*
 * Host code between C and translated code.
 *
 * Translated code runs with the guest's general registers (but r11 and r15, which are scratch),
 * arithmetic flags and vector registers in the host's own, on the guest's stack pointer. It leaves
 * through a stub, which puts all of them into struct x86_cpu and calls C; what C returns is where
 * to go on, with the registers as struct x86_cpu has them then, or NULL to return from enter().
 * The x87 unit stays as it is; C does not use it (engine/dbt/x86/fpu.h).
 */
#ifndef DOPPEL_ENGINE_DBT_X86_STUBS_H
#define DOPPEL_ENGINE_DBT_X86_STUBS_H

#include "base/execmem.h"
#include "isa/x86/cpu.h"

/* Bytes from a block's entry to its body: xlat_entry(). */
enum { CODE_PROLOGUE = 52 };

/* Why translated code called, and what r11 held. */
enum stub_reason {
    STUB_SLOW,   /* site number */
    STUB_LINK,   /* link number */
    STUB_MISS,   /* guest address that no jump slot knows */
    STUB_ATTEND, /* guest address where the poll found attention wanted */
};

/* Runs on the vCPU's thread; may not return (x86_raise). */
typedef const void *stub_handler(struct x86_cpu *c, enum stub_reason why, uint64_t arg);

struct stubs {
    void (*enter)(struct x86_cpu *c, const void *code); /* the GS base is the space's */
    uint64_t slow, link, miss, attend;
    uint64_t jump_miss, jump_attend; /* for the jump table: asm_jump_table() */
    uint64_t syscall, sysret, iret;  /* stubs_ring.c */
    uint64_t go;                     /* on at r11, by the jump table */
};

int stubs_make(struct stubs *s, struct execmem *mem, stub_handler *handler, struct error *err)
    must_check;

/* To r11 by the jump table: keeps everything, but arrives with the slot in rcx and rcx in r15. */
struct asm_buf;
void asm_jump_table(struct asm_buf *a);

/* stubs_ring.c: emit, and return where. */
uint32_t stub_syscall(struct asm_buf *a);
uint32_t stub_sysret(struct asm_buf *a);
uint32_t stub_iret(struct asm_buf *a);

/* The only descriptors that stub_iret() takes: flat, 64-bit code and data, accessed. */
#define FLAT_KERNEL_CS UINT64_C(0x00af9b000000ffff)
#define FLAT_KERNEL_SS UINT64_C(0x00cf93000000ffff)
#define FLAT_USER_CS   UINT64_C(0x00affb000000ffff)
#define FLAT_USER_SS   UINT64_C(0x00cff3000000ffff)

#endif
