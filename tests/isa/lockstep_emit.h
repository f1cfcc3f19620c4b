/*
 * Writes guest code: runs of random instructions with operands that mostly work, branches among
 * them, and what the handlers of lockstep_program.c are made of.
 */
#ifndef TESTS_ISA_LOCKSTEP_EMIT_H
#define TESTS_ISA_LOCKSTEP_EMIT_H

#include <stdint.h>

#include "insn_random.h"

enum { EMIT_STARTS = 4096, EMIT_LOOP = 320 };

struct emitter {
    struct rng *r;
    uint8_t *base;
    uint32_t len, size;
    uint64_t data_va, data_size;
    uint32_t starts[EMIT_STARTS]; /* where instructions begin, of the last emit_program() */
    uint32_t nstarts;
    uint32_t constants[EMIT_STARTS]; /* offsets of emit_mov()'s numbers */
    uint32_t nconstants;
};

void emitter_init(struct emitter *e, struct rng *r, uint64_t data_va, uint64_t data_size);
/* What comes next is written there; nothing beyond `size` bytes. */
void emitter_go(struct emitter *e, uint8_t *to, uint32_t size);
void emit_bytes(struct emitter *e, const void *p, unsigned n);
void emit_mov(struct emitter *e, unsigned reg, uint64_t v);
/* An address in the data: often aligned, often near a page's end. */
uint64_t emitter_data(struct emitter *e);
/* lockstep_loop.c: a loop, up to EMIT_LOOP bytes of it. */
void emit_loop(struct emitter *e);
/* Fill the room with a program that runs at `va` and changes itself at `writable` (below 2 GiB). */
void emit_program(struct emitter *e, uint64_t va, uint64_t writable);
/* Offset of one of its instructions. */
uint32_t emitter_start(const struct emitter *e, uint64_t which);

#endif
