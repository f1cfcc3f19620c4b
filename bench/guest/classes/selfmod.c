/*
 * The class `selfmod`: code that is written, run and written again, as just-in-time compilers,
 * patched call sites and packed programs do. [SDM 3A 12.1.3]: the same processor needs no more than
 * a jump to see it.
 */
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

enum { PAGE = 4096, ARENA = 16 * PAGE, SLOT = 64, LOOPS = 200 };

typedef uint64_t (*code_fn)(uint64_t value);

static uint8_t *arena;

static void prepare(void)
{
    arena =
        mmap(NULL, ARENA, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        give_up("mmap");
}

static unsigned emit(uint8_t *code, unsigned at, const char *bytes, unsigned count)
{
    memcpy(code + at, bytes, count);
    return at + count;
}

static uint64_t call(const uint8_t *code, uint64_t value)
{
    code_fn function;

    __asm__ volatile("" : "=r"(function) : "0"(code) : "memory");
    return function(value);
}

/* One immediate is changed before each call. */
static uint64_t patch(unsigned units)
{
    uint64_t sum = 0;
    unsigned at = emit(arena, 0, "\x48\x8d\x87", 3); /* lea imm32(%rdi), %rax */

    emit(arena, at + 4, "\xc3", 1); /* ret */
    for (uint32_t u = 0; u < units; u++) {
        memcpy(arena + at, &u, 4);
        sum = call(arena, sum);
    }
    return sum;
}

/* A short function of arithmetic that the number chooses. */
static void compile(uint8_t *code, uint64_t number)
{
    static const char operations[4][5] = {"\x48\x01\xf8\x90", "\x48\x31\xf8\x90",
                                          "\x48\x29\xf8\x90",
                                          "\x48\xd1\xc0\x90"}; /* add, xor, sub with rdi; rol */
    unsigned at = emit(code, 0, "\x48\x8d\x47\x07", 4);        /* lea 7(%rdi), %rax */

    for (unsigned i = 0; i < 10; i++, number >>= 2)
        at = emit(code, at, operations[number & 3], 4);
    emit(code, at, "\xc3", 1);
}

/* New functions fill an arena that is reused from its start; each is called a few times. */
static uint64_t generate(unsigned units)
{
    uint64_t value = 1, state = 19;

    for (unsigned u = 0; u < units; u++) {
        uint8_t *code = arena + u % (ARENA / SLOT) * SLOT;

        compile(code, random_next(&state));
        for (unsigned i = 0; i < 4; i++)
            value = mix(call(code, value), i);
    }
    return value;
}

/* A loop that is worth translating runs, and its body is exchanged. */
static uint64_t exchange(unsigned units)
{
    static const char bodies[4][4] = {"\x48\x01\xc8", "\x48\x31\xc8", "\x48\x29\xc8",
                                      "\x48\xd1\xc0"};
    uint32_t loops = LOOPS;
    uint64_t value = 1;
    unsigned at = emit(arena, 0, "\x48\x89\xf8\xb9", 4), body; /* mov %rdi, %rax; mov imm32, %ecx */

    memcpy(arena + at, &loops, 4);
    body = at + 4;
    at = emit(arena, body, bodies[0], 3);
    at = emit(arena, at, "\x48\x8d\x04\x40\xff\xc9\x75", 7); /* lea (%rax,%rax,2); dec %ecx; jnz */
    arena[at] = (uint8_t)(body - (at + 1));
    arena[at + 1] = 0xc3;
    for (unsigned u = 0; u < units; u++) {
        memcpy(arena + body, bodies[u % 4], 3);
        value = call(arena, value);
    }
    return value;
}

/* Code and the data it writes on one page, far enough apart for a processor not to care. */
static uint64_t neighbours(unsigned units)
{
    uint64_t sum = 0;
    unsigned at = emit(arena, 0, "\x48\x01\x3d", 3); /* add %rdi, rel32(%rip) */
    uint32_t away = PAGE / 2 - (at + 4);

    memcpy(arena + at, &away, 4);
    at = emit(arena, at + 4, "\x48\x8d\x47\x03\xc3", 5); /* lea 3(%rdi), %rax; ret */
    memset(arena + PAGE / 2, 0, 8);
    for (unsigned u = 0; u < units; u++)
        sum = call(arena, sum);
    return mix(sum, *(uint64_t *)(arena + PAGE / 2));
}

const struct workload selfmod_workloads[] = {
    {.name = "patch", .run = patch, .units = 15000, .prepare = prepare},
    {.name = "generate", .run = generate, .units = 10000, .prepare = prepare},
    {.name = "exchange", .run = exchange, .units = 6000, .prepare = prepare},
    {.name = "neighbours", .run = neighbours, .units = 300000, .prepare = prepare},
    {0},
};
