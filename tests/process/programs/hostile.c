/* A program that damages itself, in the way that its argument says. The machine below must not
 * care. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_signal(int signo)
{
    _exit(100 + signo);
}

static void recurse(volatile int *depth)
{
    volatile char room[4096];
    room[0] = (char)*depth;
    (*depth)++;
    recurse(depth);
    room[1] = room[0];
}

/* Every call with every argument such that it is at an edge of what there is. */
static void all_calls(void)
{
    static const long values[] = {0, -1, 1, 0x3ffffff000, 0x4000000000, 1L << 62, 4096, 0x10000};
    static const int skipped[] = {45,  46,  47,  57,  58,  93,  94,  129, 130, 131, 138, 139,
                                  142, 220, 221, 281, 435, 436, 40,  51,  39,  97,  240, 424,
                                  214, 215, 216, 222, 226, 101, 115, 133, 137, 72,  73,  22,
                                  441, 98,  164, 261, 25,  23,  24,  63,  65};
    for (long nr = 0; nr < 460; nr++) {
        int skip = 0;
        for (unsigned i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++)
            skip |= skipped[i] == nr;
        for (int turn = 0; !skip && turn < 16; turn++) {
            long v[6];
            for (int i = 0; i < 6; i++)
                v[i] = i == 0 && turn < 8 ? -1 : values[(turn * 5 + i * 3 + nr) % 8];
            syscall(nr, v[0], v[1], v[2], v[3], v[4], v[5]);
        }
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    int depth = 0;
    if (!strcmp(how, "unmap-all"))
        munmap((void *)0x10000, 0x3fffff0000);
    else if (!strcmp(how, "unmap-stack"))
        munmap((void *)((long)&depth & -4096), 4096);
    else if (!strcmp(how, "overflow"))
        recurse(&depth);
    else if (!strcmp(how, "handler-without-stack")) {
        signal(SIGUSR1, on_signal);
        __asm__ volatile(
            "li sp, 0\n li a7, 172\n ecall\n li a1, 10\n li a7, 129\n ecall\n 1: j 1b");
    } else if (!strcmp(how, "sigreturn"))
        __asm__ volatile("li sp, 64\n li a7, 139\n ecall");
    else if (!strcmp(how, "handler-nowhere")) {
        signal(SIGUSR1, (void (*)(int))0x123456);
        raise(SIGUSR1);
    } else if (!strcmp(how, "jump"))
        __asm__ volatile("li t0, -2\n jr t0");
    else if (!strcmp(how, "fault-in-handler")) {
        signal(SIGSEGV, (void (*)(int))0x8);
        *(volatile int *)0 = 1;
    } else if (!strcmp(how, "calls"))
        all_calls();
    return 77;
}
