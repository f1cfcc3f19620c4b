/*
 * For disasm_test.py: writes instructions to the file it is given - all compressed encodings, then
 * each pattern with random bits in its free places - and their disassembly, a line each, to stdout.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "isa/riscv/disasm.h"

struct pattern {
    const char *name;
    uint32_t mask, value;
    unsigned width;
    enum riscv_op_id op;
};

static const struct pattern patterns[] = {
#include "isa/riscv/patterns.inc"
};

struct list {
    FILE *code;
    gva_t pc;
};

static void put(struct list *l, uint32_t bits)
{
    struct riscv_insn in;
    char text[64];
    int r = riscv_decode(&in, bits);
    fwrite(&in.raw, 1, in.len, l->code);
    riscv_disasm(text, sizeof(text), &in, l->pc);
    printf("%llx\t%08x\t%d\t%s\n", (unsigned long long)l->pc, in.raw, r, text);
    l->pc += in.len;
}

int main(int argc, char **argv)
{
    struct list l = {argc == 2 ? fopen(argv[1], "wb") : NULL, 0};
    unsigned seed = 3;
    if (!l.code)
        return 2;
    for (uint32_t half = 0; half < 0x10000; half++) {
        if ((half & 3) != 3)
            put(&l, half);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
        for (unsigned n = 0; n < 100 && patterns[i].width == 32; n++) {
            uint32_t word = (uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed);
            put(&l, (word & ~patterns[i].mask) | patterns[i].value);
        }
    }
    return fclose(l.code) ? 2 : 0;
}
