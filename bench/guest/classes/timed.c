/*
 * Times a program as a workload: timed CLASS NAME COMMAND [ARGUMENT...]
 *
 * Runs the command twice and prints the line that `classes` prints, with the checksum of what the
 * command wrote and of its exit status. Standard output goes to a file, so that nobody reads along
 * while time counts.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

enum { RUNS = 2 };

static const char output[] = "timed.out";

void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void become(char **command)
{
    int out = open(output, O_CREAT | O_TRUNC | O_WRONLY, 0600), in = open("/dev/null", O_RDONLY);

    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
        give_up(output);
    execvp(command[0], command);
    give_up(command[0]);
}

/* Nanoseconds of one run; its exit status goes into *status. */
static uint64_t run(char **command, int *status)
{
    uint64_t start = now_ns();
    pid_t pid = fork();

    if (pid < 0)
        give_up("fork");
    if (pid == 0)
        become(command);
    if (waitpid(pid, status, 0) != pid)
        give_up("waitpid");
    return now_ns() - start;
}

static uint64_t check_output(int status)
{
    FILE *file = fopen(output, "rb");
    uint64_t sum = (uint64_t)status;
    int byte;

    if (!file)
        give_up(output);
    while ((byte = getc(file)) != EOF)
        sum = mix(sum, (uint64_t)byte);
    fclose(file);
    unlink(output);
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t times[RUNS], check = 0;
    cpu_set_t set;
    int status = 0;

    if (argc < 4) {
        fprintf(stderr, "usage: timed CLASS NAME COMMAND [ARGUMENT...]\n");
        return 2;
    }
    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    sched_setaffinity(0, sizeof(set), &set);
    for (unsigned i = 0; i < RUNS && status == 0; i++) {
        times[i] = run(argv + 3, &status);
        check = check_output(status);
    }
    if (status != 0) {
        printf("DOPPEL-CLASS %s %s failed: status 0x%x\n", argv[1], argv[2], status);
        return 1;
    }
    printf("DOPPEL-CLASS %s %s units=1 rounds=%d least=%llu median=%llu check=%016llx\n", argv[1],
           argv[2], RUNS, (unsigned long long)(times[0] < times[1] ? times[0] : times[1]),
           (unsigned long long)(times[0] + times[1]) / 2, (unsigned long long)check);
    return 0;
}
