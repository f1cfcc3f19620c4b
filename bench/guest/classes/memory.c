/* The class `memory`: loads and stores, in all the caches and beyond, and what the C library does
 * with them. */
#include <string.h>

#include "workload.h"

enum { LINE = 64, KIB = 1024, MIB = 1024 * KIB, FAR = 64 * MIB, STREAM = 4 * MIB };

static char *arena;

/* Lines of `bytes` of memory that point to each other in one random ring (Sattolo's shuffle). */
static void make_ring(unsigned bytes)
{
    unsigned lines = bytes / LINE;
    uint32_t *order = take_memory(lines * sizeof(*order));
    uint64_t state = 77;

    arena = take_memory(bytes);
    for (unsigned i = 0; i < lines; i++)
        order[i] = i;
    for (unsigned i = lines - 1; i > 0; i--) {
        unsigned j = (unsigned)(random_next(&state) % i);
        uint32_t t = order[i];

        order[i] = order[j];
        order[j] = t;
    }
    for (unsigned i = 0; i < lines; i++)
        *(char **)(arena + (uint64_t)i * LINE) = arena + (uint64_t)order[i] * LINE;
}

static void ring_l1(void)
{
    make_ring(16 * KIB);
}

static void ring_l2(void)
{
    make_ring(512 * KIB);
}

static void ring_far(void)
{
    make_ring(FAR);
}

static uint64_t chase(unsigned units)
{
    const char *at = arena;

    for (unsigned u = 0; u < units; u++)
        at = *(char *const *)at;
    return (uint64_t)(at - arena);
}

static void prepare_far(void)
{
    arena = take_memory(FAR);
    for (unsigned i = 0; i < FAR; i += 4096)
        *(uint64_t *)(arena + i) = i;
}

/* Independent additions at random places: the processor may have many under way. */
static uint64_t scatter(unsigned units)
{
    uint64_t *words = (uint64_t *)arena, state = 5, sum = 0;

    for (unsigned u = 0; u < units; u++)
        words[random_next(&state) % (FAR / 8)] += u;
    state = 5;
    for (unsigned u = 0; u < units; u++) {
        uint64_t *word = &words[random_next(&state) % (FAR / 8)];

        sum += *word;
        *word -= u;
    }
    return sum;
}

static void prepare_stream(void)
{
    arena = take_memory(3 * STREAM);
    fill_random(arena, 3 * STREAM, 9);
}

static uint64_t triad(unsigned units)
{
    uint64_t *a = (uint64_t *)arena, *b = a + STREAM / 8, *c = b + STREAM / 8, sum = 0;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < STREAM / 8; i++)
            a[i] = b[i] + 3 * c[i];
        sum = mix(sum, a[u]);
    }
    return sum;
}

static uint64_t total(unsigned units)
{
    const uint64_t *a = (const uint64_t *)arena;
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = STREAM / 8; i < 3 * STREAM / 8; i++)
            sum += a[i];
        sum = mix(sum, u);
    }
    return sum;
}

/* What spills registers and passes structs: loads right after stores of the same place. */
static uint64_t forward(unsigned units)
{
    volatile uint64_t slots[16] = {0};
    uint64_t x = 1;

    for (unsigned u = 0; u < units; u++) {
        slots[u % 16] = x;
        x = slots[u % 16] + slots[(u + 5) % 16] + 1;
    }
    return x;
}

static uint64_t copy_pieces(unsigned units, unsigned bytes)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        /* Unequal sizes and alignments, all of about the size wanted. */
        unsigned size = bytes - u % 13, offset = u % 29;

        memcpy(arena + offset, arena + STREAM + u % 7, size);
        sum += (unsigned char)arena[offset + size / 2];
    }
    return sum;
}

static uint64_t copy_small(unsigned units)
{
    return copy_pieces(units, 64);
}

static uint64_t copy_page(unsigned units)
{
    return copy_pieces(units, 4 * KIB);
}

static uint64_t copy_large(unsigned units)
{
    return copy_pieces(units, MIB);
}

static uint64_t set_pieces(unsigned units, unsigned bytes)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        memset(arena + u % 29, (int)u, bytes - u % 13);
        sum += (unsigned char)arena[bytes / 2];
    }
    return sum;
}

static uint64_t set_small(unsigned units)
{
    return set_pieces(units, 64);
}

static uint64_t set_large(unsigned units)
{
    return set_pieces(units, 256 * KIB);
}

/* The C library's search and comparison, on strings of a few dozen bytes. */
static uint64_t strings(unsigned units)
{
    uint64_t sum = 0;

    fill_text(arena, 64 * KIB);
    for (unsigned u = 0; u < units; u++) {
        const char *s = arena + u * 53 % (60 * KIB);
        const char *space = memchr(s, '\n', 256);

        sum += space ? (uint64_t)(space - s) : 256;
        sum += memcmp(s, arena + 100, 32) < 0;
    }
    return sum;
}

const struct workload memory_workloads[] = {
    {.name = "chase-l1", .run = chase, .units = 2500000, .prepare = ring_l1},
    {.name = "chase-l2", .run = chase, .units = 700000, .prepare = ring_l2},
    {.name = "chase-64m", .run = chase, .units = 50000, .prepare = ring_far},
    {.name = "scatter-64m", .run = scatter, .units = 200000, .prepare = prepare_far},
    {.name = "triad", .run = triad, .units = 6, .prepare = prepare_stream},
    {.name = "total", .run = total, .units = 10, .prepare = prepare_stream},
    {.name = "forward", .run = forward, .units = 1500000},
    {.name = "copy-64", .run = copy_small, .units = 500000, .prepare = prepare_stream},
    {.name = "copy-4k", .run = copy_page, .units = 60000, .prepare = prepare_stream},
    {.name = "copy-1m", .run = copy_large, .units = 60, .prepare = prepare_stream},
    {.name = "set-64", .run = set_small, .units = 500000, .prepare = prepare_stream},
    {.name = "set-256k", .run = set_large, .units = 500, .prepare = prepare_stream},
    {.name = "strings", .run = strings, .units = 200000, .prepare = prepare_stream},
    {0},
};
