/* The class `system`, second half: processes and threads that are made, wait and switch. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

enum { COW_PAGES = 128, PAGE = 4096, PATH = 512 };

/* Bytes go round: to a child, which adds one, and back. */
static void serve_pipe(int in, int out)
{
    unsigned char byte;

    while (read(in, &byte, 1) == 1) {
        byte++;
        if (write(out, &byte, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static uint64_t pipe_switch(unsigned units)
{
    int there[2], back[2], status;
    unsigned char byte = 0;
    uint64_t sum = 0;
    pid_t pid;

    if (pipe(there) != 0 || pipe(back) != 0)
        give_up("pipe");
    pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid == 0) {
        close(there[1]);
        serve_pipe(there[0], back[1]);
    }
    for (unsigned u = 0; u < units; u++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            give_up("pipe");
        sum += byte;
    }
    close(there[1]);
    waitpid(pid, &status, 0);
    close(there[0]);
    close(back[0]);
    close(back[1]);
    return sum + (uint64_t)status;
}

static void *add_one(void *number)
{
    ++*(uint64_t *)number;
    return NULL;
}

static uint64_t thread_join(unsigned units)
{
    uint64_t number = 0;

    for (unsigned u = 0; u < units; u++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, add_one, &number) != 0)
            give_up("pthread_create");
        pthread_join(thread, NULL);
    }
    return number;
}

/* Whose turn it is, and how many there will be. */
struct turns {
    _Atomic uint32_t now;
    uint32_t last;
};

/* Takes every second turn, and sleeps until it comes. */
static uint64_t take_turns(struct turns *turns, uint32_t mine)
{
    uint64_t taken = 0;

    for (;;) {
        uint32_t now = atomic_load(&turns->now);

        if (now >= turns->last)
            return taken;
        if ((now & 1) != mine) {
            syscall(SYS_futex, &turns->now, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
            continue;
        }
        taken++;
        atomic_store(&turns->now, now + 1);
        syscall(SYS_futex, &turns->now, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *second_player(void *turns)
{
    take_turns(turns, 1);
    return NULL;
}

static uint64_t futex_switch(unsigned units)
{
    struct turns turns = {.last = 2 * units};
    pthread_t thread;
    uint64_t taken;

    if (pthread_create(&thread, NULL, second_player, &turns) != 0)
        give_up("pthread_create");
    taken = take_turns(&turns, 0);
    pthread_join(thread, NULL);
    return taken;
}

static uint64_t fork_exit(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        pid_t pid = fork();
        int status;

        if (pid < 0)
            give_up("fork");
        if (pid == 0)
            _exit(u % 32);
        waitpid(pid, &status, 0);
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

/* The child writes to pages that both share: each is copied. */
static uint64_t fork_write(unsigned units)
{
    char *memory = take_memory(COW_PAGES * PAGE);
    uint64_t sum = 0;

    memset(memory, 1, COW_PAGES * PAGE);
    for (unsigned u = 0; u < units; u++) {
        pid_t pid = fork();
        int status;

        if (pid < 0)
            give_up("fork");
        if (pid == 0) {
            for (unsigned i = 0; i < COW_PAGES; i++)
                memory[i * PAGE] += (char)i;
            _exit(memory[5 * PAGE]);
        }
        waitpid(pid, &status, 0);
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

/* The program that does nothing lies beside this one. */
static char nothing[PATH];

static void prepare_exec(void)
{
    char self[PATH - 16] = "";
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (length < 0)
        give_up("/proc/self/exe");
    *(strrchr(self, '/') + 1) = 0;
    snprintf(nothing, sizeof(nothing), "%snothing", self);
}

static uint64_t fork_exec(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        pid_t pid = fork();
        int status;

        if (pid < 0)
            give_up("fork");
        if (pid == 0) {
            execl(nothing, nothing, (char *)NULL);
            _exit(1);
        }
        waitpid(pid, &status, 0);
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

const struct workload process_workloads[] = {
    {.name = "pipe", .run = pipe_switch, .units = 600},
    {.name = "thread", .run = thread_join, .units = 200},
    {.name = "futex-switch", .run = futex_switch, .units = 700},
    {.name = "fork", .run = fork_exit, .units = 30},
    {.name = "fork-write", .run = fork_write, .units = 15},
    {.name = "fork-exec", .run = fork_exec, .units = 12, .prepare = prepare_exec},
    {0},
};
