/* The class `branchy`: jumps through registers and tables, and branches that nobody foresees. */
#include <stddef.h>
#include <string.h>

#include "workload.h"

enum { OBJECTS = 1024, TEXT = 32768, FANOUT = 16, LEAVES = 4096, STEPS = 4096 };

static char text[TEXT];

/* A bytecode machine with 4 registers; each instruction is four bytes: opcode, a, b, immediate. */
enum opcode { OP_SET, OP_ADD, OP_SUB, OP_MUL, OP_XOR, OP_SHR, OP_LOAD, OP_STORE, OP_LOOP, OP_END };

static const int8_t program[][4] = {
    {OP_SET, 0, 0, 100},                    /* 0: the counter */
    {OP_SET, 1, 0, 17},  {OP_MUL, 1, 2, 0}, /* 2: the loop */
    {OP_ADD, 1, 0, 0},   {OP_STORE, 1, 0, 3}, {OP_SHR, 1, 0, 7},
    {OP_XOR, 2, 1, 0},   {OP_LOAD, 3, 0, 2},  {OP_ADD, 2, 3, 0},
    {OP_SUB, 3, 1, 0},   {OP_LOOP, 0, 0, 2},  {OP_END, 0, 0, 0},
};

static uint64_t interpret(uint64_t *r, uint64_t *memory)
{
    static const void *const labels[] = {&&set,   &&add,  &&sub,   &&mul,  &&exclusive,
                                         &&shift, &&load, &&store, &&loop, &&end};
    const int8_t(*pc)[4] = program;

#define NEXT goto *labels[(unsigned char)(*++pc)[0]]
    goto *labels[(unsigned char)(*pc)[0]];
set:
    r[(*pc)[1]] = (uint64_t)(*pc)[3];
    NEXT;
add:
    r[(*pc)[1]] += r[(*pc)[2]];
    NEXT;
sub:
    r[(*pc)[1]] -= r[(*pc)[2]];
    NEXT;
mul:
    r[(*pc)[1]] *= r[(*pc)[2]] | 1;
    NEXT;
exclusive:
    r[(*pc)[1]] ^= r[(*pc)[2]];
    NEXT;
shift:
    r[(*pc)[1]] >>= (*pc)[3];
    NEXT;
load:
    r[(*pc)[1]] = memory[(r[(*pc)[2]] + (uint64_t)(*pc)[3]) & 63];
    NEXT;
store:
    memory[(r[(*pc)[2]] + (uint64_t)(*pc)[3]) & 63] = r[(*pc)[1]];
    NEXT;
loop:
    if (--r[(*pc)[1]] != 0) {
        pc = program + (*pc)[3] - 1;
        NEXT;
    }
    NEXT;
end:
    return r[2];
#undef NEXT
}

static uint64_t bytecode(unsigned units)
{
    uint64_t registers[4] = {0, 0, 1, 0}, memory[64] = {0}, sum = 0;

    for (unsigned u = 0; u < units; u++)
        sum = mix(sum, interpret(registers, memory));
    return sum;
}

/* Objects of six kinds with their methods behind pointers. */
struct shape;
struct shape_ops {
    uint64_t (*area)(const struct shape *shape);
    void (*grow)(struct shape *shape, uint64_t by);
};
struct shape {
    const struct shape_ops *ops;
    uint64_t a, b;
};

#define SHAPE(NAME, AREA, GROW)                                                                    \
    static uint64_t NAME##_area(const struct shape *s)                                             \
    {                                                                                              \
        return AREA;                                                                               \
    }                                                                                              \
    static void NAME##_grow(struct shape *s, uint64_t by)                                          \
    {                                                                                              \
        GROW;                                                                                      \
    }                                                                                              \
    static const struct shape_ops NAME##_ops = {NAME##_area, NAME##_grow};
SHAPE(square, s->a * s->a, s->a += by)
SHAPE(oblong, s->a * s->b, s->b ^= by)
SHAPE(triangle, s->a * s->b / 2, s->a += s->b + by)
SHAPE(line, s->b - s->b, s->b += by)
SHAPE(disc, s->a * s->a * 355 / 113, s->a = (s->a + by) & 0xffff)
SHAPE(ring, (s->a - s->b) * 3, s->b -= by)

static struct shape shapes[OBJECTS];

static uint64_t methods(unsigned units)
{
    static const struct shape_ops *const kinds[] = {&square_ops, &oblong_ops, &triangle_ops,
                                                    &line_ops,   &disc_ops,   &ring_ops};
    uint64_t state = 3, sum = 0;

    for (unsigned i = 0; i < OBJECTS; i++)
        shapes[i] = (struct shape){kinds[random_next(&state) % 6], i, 2 * i};
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < OBJECTS; i++) {
            sum += shapes[i].ops->area(&shapes[i]);
            shapes[i].ops->grow(&shapes[i], sum & 15);
        }
    }
    return sum;
}

static void prepare_text(void)
{
    fill_text(text, sizeof(text));
}

enum state { AT_START, IN_WORD, IN_NUMBER, IN_STRING, IN_HEX };

static enum state start_token(char c, uint64_t *counts)
{
    switch (c) {
    case ' ':
    case '\n':
        counts[0]++;
        return AT_START;
    case '"':
        return IN_STRING;
    case '0' ... '9':
        return IN_NUMBER;
    case '{':
    case '[':
        counts[1]++;
        return AT_START;
    case '}':
    case ']':
        counts[2]++;
        return AT_START;
    case 'a' ... 'z':
        return IN_WORD;
    default:
        counts[3]++;
        return AT_START;
    }
}

static enum state next_state(enum state state, char c, uint64_t *counts)
{
    switch (state) {
    case AT_START:
        return start_token(c, counts);
    case IN_WORD:
        counts[4] += c != ' ';
        return c >= 'a' && c <= 'z' ? IN_WORD : start_token(c, counts);
    case IN_NUMBER:
        return c == 'x' ? IN_HEX : (c >= '0' && c <= '9') || c == '.' ? IN_NUMBER : AT_START;
    case IN_STRING:
        counts[5] += c == '"';
        return c == '"' ? AT_START : IN_STRING;
    case IN_HEX:
        counts[6]++;
        return c == ' ' ? AT_START : IN_HEX;
    }
    return AT_START;
}

static uint64_t tokens(unsigned units)
{
    uint64_t counts[7] = {0}, sum = 0;
    enum state state = AT_START;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < TEXT; i++)
            state = next_state(state, text[i], counts);
    }
    for (unsigned i = 0; i < 7; i++)
        sum = mix(sum, counts[i]);
    return sum;
}

/* A tree of three levels, sixteen keys a node. */
struct node {
    uint32_t keys[FANOUT];
    struct node *children[FANOUT];
};
static struct node root, middle[FANOUT], leaves[FANOUT * FANOUT];

static void prepare_tree(void)
{
    for (unsigned i = 0; i < LEAVES; i++) {
        leaves[i / 16].keys[i % 16] = i * 1000 + i % 7;
        if (i % 16 == 0) {
            middle[i / 256].keys[i / 16 % 16] = i * 1000;
            middle[i / 256].children[i / 16 % 16] = &leaves[i / 16];
        }
        if (i % 256 == 0) {
            root.keys[i / 256] = i * 1000;
            root.children[i / 256] = &middle[i / 256];
        }
    }
}

static uint64_t tree(unsigned units)
{
    uint64_t state = 11, sum = 0;

    for (unsigned u = 0; u < units; u++) {
        uint32_t key = (uint32_t)(random_next(&state) % (LEAVES * 1000));
        const struct node *node = &root;
        unsigned at = 0;

        while (node) {
            unsigned low = 0, high = FANOUT;

            while (high - low > 1) {
                unsigned half = (low + high) / 2;

                if (node->keys[half] <= key)
                    low = half;
                else
                    high = half;
            }
            at = low;
            sum += node->keys[at];
            node = node->children[at];
        }
        sum ^= at;
    }
    return sum;
}

static uint64_t collatz(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        for (uint64_t n = u + 27; n != 1; sum++) {
            if (n & 1)
                n = 3 * n + 1;
            else
                n >>= 1;
            __asm__ volatile("" : "+r"(n)); /* a branch, not a conditional move */
        }
    }
    return sum;
}

/* Whether the text begins with what the pattern describes: * any text, ? any character. */
static bool glob(const char *pattern, const char *at, const char *end)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            for (; at < end; at++) {
                if (glob(pattern + 1, at, end))
                    return true;
            }
            return false;
        }
        if (at == end || (*pattern != '?' && *pattern != *at))
            return false;
        at++;
    }
    return true;
}

static uint64_t patterns(unsigned units)
{
    static const char *const list[] = {"mach*gu?st", "*0x*it *", "the*[ *] *}", "*page,*trap*host"};
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        const char *at = text + u * 37 % (TEXT - 256);

        sum = sum * 2 + glob(list[u % 4], at, at + 96);
        sum = mix(sum, 1);
    }
    return sum;
}

static uint64_t step(uint64_t x, unsigned what)
{
    switch (what) {
#define CASE(N)                                                                                    \
    case N:                                                                                        \
        x = x * 6364136223846793005 + (x >> ((N) + 3)) + (N);                                      \
        __asm__ volatile("" : "+r"(x));                                                            \
        return x;
#define CASES(N) CASE(N) CASE(N + 1) CASE(N + 2) CASE(N + 3)
        CASES(0)
        CASES(4)
        CASES(8)
        CASES(12)
        CASES(16)
        CASES(20)
        CASES(24)
        CASES(28)
    default:
        return ~x;
    }
}

/* A jump through a table, to somewhere else each time. */
static uint64_t cases(unsigned units)
{
    uint64_t x = 1;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < STEPS; i++)
            x = step(x, (unsigned)(x >> 59));
    }
    return x;
}

const struct workload branchy_workloads[] = {
    {.name = "bytecode", .run = bytecode, .units = 2200},
    {.name = "methods", .run = methods, .units = 200},
    {.name = "tokens", .run = tokens, .units = 30, .prepare = prepare_text},
    {.name = "tree", .run = tree, .units = 120000, .prepare = prepare_tree},
    {.name = "collatz", .run = collatz, .units = 9000},
    {.name = "patterns", .run = patterns, .units = 20000, .prepare = prepare_text},
    {.name = "cases", .run = cases, .units = 100},
    {0},
};
