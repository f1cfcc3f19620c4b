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
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

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

/* Processor time of the commands that have ended. */
static uint64_t cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return ((uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)) *
           1000;
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

static void use_one_processor(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)sched_getcpu(), &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        give_up("sched_setaffinity");
}

int main(int argc, char **argv)
{
    uint64_t ns, cpu, check;
    int status;

    if (argc < 4) {
        fprintf(stderr, "usage: timed CLASS NAME COMMAND [ARGUMENT...]\n");
        return 2;
    }
    use_one_processor();
    run(argv + 3, &status);
    check = check_output(status);
    printf("DOPPEL-BEGIN %s\n", argv[2]);
    fflush(stdout);
    cpu = cpu_ns();
    ns = run(argv + 3, &status);
    cpu = cpu_ns() - cpu;
    if (status != 0 || check_output(status) != check) {
        printf("DOPPEL-CLASS %s %s failed: status 0x%x, or not the same output twice\n", argv[1],
               argv[2], (unsigned)status);
        return 1;
    }
    printf("DOPPEL-CLASS %s %s units=1 rounds=1 least=%llu median=%llu mean=%llu cpu=%llu "
           "check=%016llx\n",
           argv[1], argv[2], (unsigned long long)ns, (unsigned long long)ns, (unsigned long long)ns,
           (unsigned long long)cpu, (unsigned long long)check);
    return 0;
}
