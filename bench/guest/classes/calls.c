/* The class `calls`: little else than calling and returning. */
#include <stdlib.h>

#include "workload.h"

enum { SORTED = 2048, TERMS = 4096 };

#define ALONE __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

static ALONE uint64_t fib_of(uint64_t n)
{
    return n < 2 ? n : fib_of(n - 1) + fib_of(n - 2);
}

static uint64_t fib(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++)
        sum = mix(sum, fib_of(16 + u % 4));
    return sum;
}

static ALONE uint64_t ackermann_of(uint64_t m, uint64_t n)
{
    if (m == 0)
        return n + 1;
    return ackermann_of(m - 1, n == 0 ? 1 : ackermann_of(m, n - 1));
}

static uint64_t ackermann(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++)
        sum = mix(sum, ackermann_of(2, 60 + u % 8));
    return sum;
}

static ALONE int tak_of(int x, int y, int z)
{
    return y >= x ? z : tak_of(tak_of(x - 1, y, z), tak_of(y - 1, z, x), tak_of(z - 1, x, y));
}

static uint64_t tak(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++)
        sum = mix(sum, (uint64_t)tak_of(12, 8 - (int)(u & 1), 4));
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The C library's sort, which calls back for every comparison. */
static uint64_t callback(unsigned units)
{
    static uint32_t numbers[SORTED];
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        fill_random(numbers, sizeof(numbers), u);
        qsort(numbers, SORTED, sizeof(numbers[0]), compare);
        sum = mix(sum, numbers[SORTED / 2]);
    }
    return sum;
}

/* A recursive descent parser of sums of products of numbers and brackets. */
static char formula[TERMS + 1];

static ALONE uint64_t parse_sum(const char **at);

static ALONE uint64_t parse_atom(const char **at)
{
    uint64_t value = 0;

    if (**at == '(') {
        (*at)++;
        value = parse_sum(at);
        (*at)++;
        return value;
    }
    while (**at >= '0' && **at <= '9')
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    return value;
}

static ALONE uint64_t parse_product(const char **at)
{
    uint64_t value = parse_atom(at);

    while (**at == '*') {
        (*at)++;
        value *= parse_atom(at);
    }
    return value;
}

static uint64_t parse_sum(const char **at)
{
    uint64_t value = parse_product(at);

    while (**at == '+' || **at == '-') {
        char sign = *(*at)++;
        uint64_t next = parse_product(at);

        value = sign == '+' ? value + next : value - next;
    }
    return value;
}

static void prepare_formula(void)
{
    uint64_t state = 8;
    unsigned at = 0, open = 0;

    while (at < TERMS - 64) {
        uint64_t dice = random_next(&state) >> 40;

        if (dice % 3 == 0 && open < 20) {
            formula[at++] = '(';
            open++;
            continue;
        }
        formula[at++] = (char)('1' + dice % 9);
        for (; dice % 5 == 0 && open > 0; open--, dice /= 5)
            formula[at++] = ')';
        formula[at++] = "+-*"[dice / 16 % 3];
    }
    formula[at++] = '1';
    while (open-- > 0)
        formula[at++] = ')';
    formula[at] = 0;
}

static uint64_t parser(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        const char *at = formula;

        sum = mix(sum, parse_sum(&at) + (uint64_t)(at - formula));
    }
    return sum;
}

/* Small functions that call each other in a row. */
static ALONE uint64_t leaf(uint64_t x)
{
    return x ^ x >> 7;
}

static ALONE uint64_t third(uint64_t x)
{
    return leaf(x + 3) + leaf(x);
}

static ALONE uint64_t second(uint64_t x)
{
    return third(x * 3) - leaf(x);
}

static ALONE uint64_t first(uint64_t x)
{
    return second(x + 1) ^ third(x);
}

static uint64_t chain(unsigned units)
{
    uint64_t x = 1;

    for (unsigned u = 0; u < units; u++)
        x = first(x);
    return x;
}

const struct workload call_workloads[] = {
    {.name = "fib", .run = fib, .units = 450},
    {.name = "ackermann", .run = ackermann, .units = 80},
    {.name = "tak", .run = tak, .units = 1200},
    {.name = "callback", .run = callback, .units = 25},
    {.name = "parser", .run = parser, .units = 240, .prepare = prepare_formula},
    {.name = "chain", .run = chain, .units = 220000},
    {0},
};
