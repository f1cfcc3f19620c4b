/*
 * The workloads of `make bench`'s table of classes, run alike natively and inside each machine.
 *
 * usage: classes [-t MS] [-s DIVISOR] [CLASS|NAME...]
 *
 * Each workload has a process of its own, so that one that crashes or hangs ends alone. After a
 * round to warm up, rounds are run for MS milliseconds (100) and one line is printed:
 *
 *     DOPPEL-CLASS integer sieve units=32 rounds=20 least=NS median=NS mean=NS cpu=NS check=HEX
 *
 * with the nanoseconds of a round; cpu is the mean, too, but of processor time. DOPPEL-BEGIN says
 * when the rounds that count begin, for a host that wants to know what they cost it. -s divides the
 * work of a round and runs just one: a quick look at whether everything computes what it should.
 * Only one processor is used, as the machines have just one.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

enum { MOST_ROUNDS = 256, HANGS_SECONDS = 120 };

struct options {
    uint64_t budget_ns;
    unsigned divisor; /* 0: measure; else one round of so much less work */
    char **wanted;    /* classes and names; none means all */
};

static const struct workload_class classes[] = {
    {"integer", integer_workloads}, {"branchy", branchy_workloads}, {"calls", call_workloads},
    {"float", float_workloads},     {"memory", memory_workloads},   {"system", system_workloads},
    {"system", process_workloads},
#ifdef __x86_64__
    {"simd", simd_workloads},       {"crypto", crypto_workloads},   {"once", once_workloads},
    {"selfmod", selfmod_workloads},
#endif
};

void give_up(const char *what)
{
    perror(what);
    exit(1);
}

void *take_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        give_up("mmap");
    return memory;
}

void fill_random(void *memory, uint64_t bytes, uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15 + 1, *words = memory;

    for (uint64_t i = 0; i < bytes / 8; i++)
        words[i] = random_next(&state);
}

void fill_text(char *text, uint64_t bytes)
{
    static const char *const words[] = {
        "machine ", "of ",     "the ",  "virtual ", "page, ",      "\"table\" ", "12345 ", "a ",
        "{ ",       "} ",      "trap ", "is ",      "0x7f3a ",     "guest. ",    "host; ", "\n",
        "3.14159 ", "memory ", "[ ",    "] ",       "processor, ", "while ",     "it ",    "runs "};
    uint64_t state = 42;

    for (uint64_t at = 0; at < bytes;) {
        const char *word = words[random_next(&state) % (sizeof(words) / sizeof(words[0]))];

        while (*word && at < bytes)
            text[at++] = *word++;
    }
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Processor time of this process and of its children that have ended. */
static uint64_t cpu_ns(void)
{
    uint64_t us = 0;

    for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
        struct rusage usage;

        getrusage(who, &usage);
        us += (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
              (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    return us * 1000;
}

static void say_begin(const char *name)
{
    printf("DOPPEL-BEGIN %s\n", name);
    fflush(stdout);
}

/* One round; a round that computes something else than the one before it ends the process. */
static uint64_t run_round(const struct workload *work, unsigned units, uint64_t *check, bool first)
{
    uint64_t start = now_ns(), sum = work->run(units), took = now_ns() - start;

    if (!first && sum != *check) {
        fprintf(stderr, "%s: one round computed %llx, the next %llx\n", work->name,
                (unsigned long long)*check, (unsigned long long)sum);
        exit(1);
    }
    *check = sum;
    return took ? took : 1;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void print_result(const char *label, uint64_t *times, unsigned rounds, uint64_t cpu)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < rounds; i++)
        sum += times[i];
    qsort(times, rounds, sizeof(times[0]), compare_times);
    printf("DOPPEL-CLASS %s rounds=%u least=%llu median=%llu mean=%llu cpu=%llu", label, rounds,
           (unsigned long long)times[0], (unsigned long long)times[rounds / 2],
           (unsigned long long)(sum / rounds), (unsigned long long)(cpu / rounds));
}

/* What runs in the process of one workload. */
static void measure(const char *class, const struct workload *work, const struct options *options)
{
    bool single = work->once || options->divisor;
    uint64_t times[MOST_ROUNDS], check = 0, spent = 0, cpu;
    unsigned rounds = 0, units = work->units / (options->divisor ? options->divisor : 1);
    char label[80];

    units = units ? units : 1;
    if (work->prepare)
        work->prepare();
    if (!single)
        run_round(work, units, &check, true);
    say_begin(work->name);
    cpu = cpu_ns();
    do {
        times[rounds] = run_round(work, units, &check, single);
        spent += times[rounds++];
    } while (!single && spent < options->budget_ns && rounds < MOST_ROUNDS);
    snprintf(label, sizeof(label), "%s %s units=%u", class, work->name, units);
    print_result(label, times, rounds, cpu_ns() - cpu);
    printf(" check=%016llx\n", (unsigned long long)check);
}

/* Runs a workload in a child, and says so when that does not end well. */
static void run_workload(const char *class, const struct workload *work,
                         const struct options *options)
{
    int status;
    pid_t pid;

    if (work->needs & ~processor_has()) {
        printf("DOPPEL-CLASS %s %s skipped: this processor lacks an extension\n", class,
               work->name);
        return;
    }
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid == 0) {
        alarm(HANGS_SECONDS);
        measure(class, work, options);
        exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        give_up("waitpid");
    if (WIFSIGNALED(status))
        printf("DOPPEL-CLASS %s %s failed: signal %d\n", class, work->name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        printf("DOPPEL-CLASS %s %s failed: status %d\n", class, work->name, WEXITSTATUS(status));
}

static bool is_wanted(const char *class, const char *name, char **wanted)
{
    if (!*wanted)
        return true;
    for (; *wanted; wanted++) {
        if (strcmp(*wanted, class) == 0 || strcmp(*wanted, name) == 0)
            return true;
    }
    return false;
}

static void use_one_processor(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();

    CPU_ZERO(&set);
    CPU_SET(cpu < 0 ? 0 : (unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        give_up("sched_setaffinity");
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.budget_ns = 100000000};
    int option;

    while ((option = getopt(argc, argv, "t:s:")) != -1) {
        if (option == 't') {
            options.budget_ns = strtoull(optarg, NULL, 10) * 1000000;
        } else if (option == 's') {
            options.divisor = (unsigned)strtoul(optarg, NULL, 10);
        } else {
            fprintf(stderr, "usage: classes [-t MS] [-s DIVISOR] [CLASS|NAME...]\n");
            exit(2);
        }
    }
    options.wanted = argv + optind;
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);

    use_one_processor();
    for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        for (const struct workload *work = classes[i].workloads; work->name; work++) {
            if (is_wanted(classes[i].name, work->name, options.wanted))
                run_workload(classes[i].name, work, &options);
        }
    }
    printf("DOPPEL-CLASSES-END\n");
    return 0;
}
