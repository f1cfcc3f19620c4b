/* The end goes through the test finisher, so that the exit status tells on either machine. */
#include "kit.h"

struct trap trap;
static int failures;

void put(const char *s)
{
    volatile uint8_t *uart = (volatile uint8_t *)0x10000000;
    for (; *s; s++)
        *uart = (uint8_t)*s;
}

void put_hex(uint64_t v)
{
    char text[19] = "0x";
    for (int i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[v >> (60 - 4 * i) & 15];
    put(text);
}

void check_failed(int line, uint64_t got, uint64_t want)
{
    failures++;
    put("line ");
    put_hex((uint64_t)line);
    put(": got ");
    put_hex(got);
    put(", wanted ");
    put_hex(want);
    put("; last trap ");
    put_hex(trap.cause);
    put("\n");
}

void finish(void)
{
    volatile uint32_t *finisher = (volatile uint32_t *)0x100000;
    put(failures ? "FAILED\n" : "passed\n");
    *finisher = failures ? 0x3333 | 1 << 16 : 0x5555;
    for (;;)
        ;
}

void to_m(void)
{
    insn("ecall");
}

__attribute__((weak)) void second_hart(uint64_t id)
{
    (void)id;
}
