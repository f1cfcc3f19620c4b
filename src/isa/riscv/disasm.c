/*
 * The disassembler: walks the operand list that the instruction's pattern gives.
 */
#include "isa/riscv/disasm.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "isa/riscv/op_info.h"

static const char x_names[32][5] = {"zero", "ra", "sp",  "gp",  "tp", "t0", "t1", "t2",
                                    "s0",   "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
                                    "a6",   "a7", "s2",  "s3",  "s4", "s5", "s6", "s7",
                                    "s8",   "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
static const char f_names[32][5] = {"ft0", "ft1", "ft2",  "ft3",  "ft4", "ft5", "ft6",  "ft7",
                                    "fs0", "fs1", "fa0",  "fa1",  "fa2", "fa3", "fa4",  "fa5",
                                    "fa6", "fa7", "fs2",  "fs3",  "fs4", "fs5", "fs6",  "fs7",
                                    "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"};
static const char rm_names[8][4] = {"rne", "rtz", "rdn", "rup", "rmm", "?", "?", "dyn"};

const char *riscv_x_name(unsigned reg)
{
    return x_names[reg & 31];
}

const char *riscv_f_name(unsigned reg)
{
    return f_names[reg & 31];
}

struct text {
    char *buf;
    size_t len, used;
};

static void printf_like(2, 3) add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->buf + t->used, t->len - t->used, fmt, ap);
    va_end(ap);
    t->used += (size_t)n < t->len - t->used ? (size_t)n : t->len - t->used - 1;
}

static unsigned reg_of(const struct riscv_insn *in, char which)
{
    switch (which) {
    case 'd':
        return in->rd;
    case '1':
        return in->rs1;
    case '2':
        return in->rs2;
    default:
        return in->rs3;
    }
}

/* The sets of fence: i, o, r, w, as a number 8, 4, 2, 1. */
static void add_fence_set(struct text *t, unsigned set)
{
    for (unsigned i = 0; i < 4; i++) {
        if (set & 8u >> i)
            add(t, "%c", "iorw"[i]);
    }
    if (!set)
        add(t, "unknown");
}

static void add_fence(struct text *t, uint32_t imm)
{
    add_fence_set(t, imm >> 4 & 15);
    add(t, ",");
    add_fence_set(t, imm & 15);
}

static void add_operand(struct text *t, const struct riscv_insn *in, const char *o, gva_t pc)
{
    if (strcmp(o, "imm(x1)") == 0)
        add(t, "%d(%s)", in->imm, x_names[in->rs1]);
    else if (strcmp(o, "(x1)") == 0)
        add(t, "(%s)", x_names[in->rs1]);
    else if (strcmp(o, "imm") == 0)
        add(t, "%d", in->imm);
    else if (strcmp(o, "hi") == 0)
        add(t, "0x%x", (uint32_t)in->imm >> 12);
    else if (strcmp(o, "target") == 0)
        add(t, "0x%llx", (unsigned long long)(pc + (uint64_t)(int64_t)in->imm));
    else if (strcmp(o, "csr") == 0)
        add(t, "0x%x", in->csr);
    else if (strcmp(o, "fence") == 0)
        add_fence(t, (uint32_t)in->imm);
    else if (strcmp(o, "rm") == 0)
        add(t, "%s", rm_names[in->rm & 7]);
    else
        add(t, "%s", (o[0] == 'x' ? x_names : f_names)[reg_of(in, o[1])]);
}

/* aqrl goes to the name, and the dynamic rounding mode is not shown. */
static bool is_shown(const struct riscv_insn *in, const char *o)
{
    return strcmp(o, "aqrl") != 0 && (strcmp(o, "rm") != 0 || in->rm != 7);
}

static void add_operands(struct text *t, const struct riscv_insn *in, const char *list, gva_t pc)
{
    char copy[48];
    char *next = copy;
    bool first = true;
    snprintf(copy, sizeof(copy), "%s", list);
    for (char *o = strsep(&next, ","); o; o = strsep(&next, ",")) {
        o += strspn(o, " ");
        if (!is_shown(in, o) || !*o)
            continue;
        add(t, first ? "\t" : ",");
        first = false;
        add_operand(t, in, o, pc);
    }
}

void riscv_disasm(char *buf, size_t len, const struct riscv_insn *in, gva_t pc)
{
    static const char order[4][6] = {"", ".rl", ".aq", ".aqrl"};
    const struct riscv_op_info *info = &riscv_op_info[in->op];
    struct text t = {buf, len, 0};
    if (in->op == RISCV_OP_ILLEGAL) {
        add(&t, in->len == 2 ? ".2byte\t0x%x" : ".4byte\t0x%x", in->raw);
        return;
    }
    bool ordered = strstr(info->operands, "aqrl") != NULL;
    add(&t, "%s%s", info->name, ordered ? order[in->rm & 3] : "");
    add_operands(&t, in, info->operands, pc);
}
