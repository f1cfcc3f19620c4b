/* The class `system`, first half: what one process asks of the kernel. */
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

enum { PAGE = 4096, REGION = 256 * PAGE };

#define FOLDER "/dev/shm" /* a file system in memory, natively and in the guest */

static volatile uint64_t signals;
static char *page;

static uint64_t getpid_loop(unsigned units)
{
    uint64_t same = 0;
    long pid = getpid();

    for (unsigned u = 0; u < units; u++)
        same += syscall(SYS_getpid) == pid;
    return same;
}

static void count_signal(int number)
{
    signals += (uint64_t)number;
}

static uint64_t signal_self(unsigned units)
{
    struct sigaction action = {.sa_handler = count_signal};
    pid_t pid = getpid();

    signals = 0;
    if (sigaction(SIGUSR1, &action, NULL) != 0)
        give_up("sigaction");
    for (unsigned u = 0; u < units; u++)
        kill(pid, SIGUSR1);
    return signals;
}

static void allow_page(int number)
{
    signals += (uint64_t)number;
    if (mprotect(page, PAGE, PROT_READ | PROT_WRITE) != 0)
        _exit(1);
}

/* A write barrier: protect a page, write to it, let the handler of the fault unprotect it. */
static uint64_t protect(unsigned units)
{
    struct sigaction action = {.sa_handler = allow_page};

    signals = 0;
    page = take_memory(PAGE);
    if (sigaction(SIGSEGV, &action, NULL) != 0)
        give_up("sigaction");
    for (unsigned u = 0; u < units; u++) {
        if (mprotect(page, PAGE, PROT_READ) != 0)
            give_up("mprotect");
        *(volatile char *)page = (char)u;
    }
    munmap(page, PAGE);
    return signals;
}

/* A futex nobody waits for: the system call alone. */
static uint64_t futex_wake(unsigned units)
{
    uint32_t word = 0;
    uint64_t woken = 0;

    for (unsigned u = 0; u < units; u++)
        woken += (uint64_t)syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) + 1;
    return woken;
}

/* New memory is touched page by page and given back. */
static uint64_t fault(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned done = 0; done < units; done += REGION / PAGE) {
        char *memory = take_memory(REGION);

        /* One fault for each page is the subject. */
        madvise(memory, REGION, MADV_NOHUGEPAGE);
        for (unsigned i = 0; i < REGION; i += PAGE) {
            sum += (unsigned char)memory[i] + 1;
            memory[i] = 1;
        }
        munmap(memory, REGION);
    }
    return sum;
}

static uint64_t map_unmap(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        char *memory = take_memory(4 * PAGE);

        memory[0] = (char)u;
        sum += (unsigned char)memory[0];
        munmap(memory, 4 * PAGE);
    }
    return sum;
}

static void file_name(char *name, unsigned size, unsigned number)
{
    snprintf(name, size, FOLDER "/doppel-bench-%d-%u", getpid(), number);
}

static uint64_t file_create(unsigned units)
{
    char name[64], block[PAGE];
    uint64_t written = 0;

    memset(block, 'x', sizeof(block));
    for (unsigned u = 0; u < units; u++) {
        int fd;

        file_name(name, sizeof(name), u % 8);
        fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd < 0)
            give_up(name);
        written += (uint64_t)write(fd, block, sizeof(block));
        close(fd);
        unlink(name);
    }
    return written;
}

/* Open, look, read and close a file that is there. */
static uint64_t file_read(unsigned units)
{
    char name[64], block[1024] = {1};
    struct stat st = {0};
    uint64_t sum = 0;
    int fd;

    file_name(name, sizeof(name), 0);
    fd = open(name, O_CREAT | O_RDWR, 0600);
    if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
        give_up(name);
    close(fd);
    for (unsigned u = 0; u < units; u++) {
        fd = open(name, O_RDONLY);
        sum += fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
        sum += (uint64_t)read(fd, block, sizeof(block));
        close(fd);
    }
    unlink(name);
    return sum;
}

/* Bytes through a socket to ourselves: copying in the kernel, without a switch. */
static uint64_t socket_copy(unsigned units)
{
    static char block[8192];
    uint64_t sum = 0;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        give_up("socketpair");
    for (unsigned u = 0; u < units; u++) {
        block[0] = (char)u;
        sum += (uint64_t)write(pair[0], block, sizeof(block));
        sum += (uint64_t)read(pair[1], block, sizeof(block)) + (unsigned char)block[0];
    }
    close(pair[0]);
    close(pair[1]);
    return sum;
}

const struct workload system_workloads[] = {
    {.name = "getpid", .run = getpid_loop, .units = 20000},
    {.name = "signal", .run = signal_self, .units = 4000},
    {.name = "protect", .run = protect, .units = 1500},
    {.name = "futex-wake", .run = futex_wake, .units = 20000},
    {.name = "fault", .run = fault, .units = 8 * REGION / PAGE},
    {.name = "map", .run = map_unmap, .units = 1500},
    {.name = "file-create", .run = file_create, .units = 800},
    {.name = "file-read", .run = file_read, .units = 2500},
    {.name = "socket", .run = socket_copy, .units = 2000},
    {0},
};
