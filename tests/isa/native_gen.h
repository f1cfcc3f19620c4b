/*
 * Instruction forms to try, made by walking the opcode maps, and random states to try them on.
 */
#ifndef TESTS_ISA_NATIVE_GEN_H
#define TESTS_ISA_NATIVE_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "native_host.h"

enum { GEN_PAGE = 4096, GEN_PAGES = 4 };

/* One encoding; `rm` in memory form is a base register with an 8-bit displacement. */
struct gen_form {
    uint8_t map, opcode, pp; /* map 0: x87 */
    bool vex, w, l, mem;
    uint8_t ext; /* low three bits of ModRM.reg */
};

struct gen_insn {
    uint8_t bytes[16];
    unsigned len;
    uint8_t base; /* of the memory operand */
    int8_t disp;
    int index; /* vector index register, or -1 */
    const char *name;
};

uint64_t gen_random(void);
void gen_seed(uint64_t seed);
static inline uint64_t gen_below(uint64_t n)
{
    return gen_random() % n;
}

/* Complete the form at random into an instruction of this module's; false: there is none. */
bool gen_encode(const struct gen_form *f, struct gen_insn *g);
/* Walk all forms. */
void gen_walk(void (*try)(void *opaque, const struct gen_form *f), void *opaque);

/* A random state in which the operand is at `ea`, and what memory should hold there. */
void gen_state(struct host_state *s, const struct gen_insn *g, uint8_t *ea);

#endif
