/* Signals: codes and addresses of faults, masks, restarts, alternate stacks, sigwait, children. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int got, code, count;
static void *volatile address;
static sigjmp_buf out;

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)context;
    got = signo;
    code = info->si_code;
    address = info->si_addr;
    siglongjmp(out, 1);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    (void)context;
    got = signo;
    code = info->si_code;
    count++;
}

static void handle(int signo, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};
    sigaction(signo, &sa, NULL);
}

#define FAULT(what, expected)                                                                      \
    do {                                                                                           \
        got = code = 0;                                                                            \
        address = NULL;                                                                            \
        if (!sigsetjmp(out, 1)) {                                                                  \
            what;                                                                                  \
        }                                                                                          \
        printf("%s: %d %d %d\n", #what, got, code, address == (void *)(expected));                 \
    } while (0)

static void faults(void)
{
    char *ro = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *f = tmpfile();
    char *behind = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(f), 0);
    handle(SIGSEGV, on_fault, 0);
    handle(SIGBUS, on_fault, 0);
    handle(SIGILL, on_fault, 0);
    handle(SIGTRAP, on_fault, 0);
    FAULT(*(volatile char *)0x1234, 0x1234);
    FAULT(*(volatile char *)0x1234 = 1, 0x1234);
    FAULT(*(volatile long *)(1UL << 40), 1UL << 40);
    FAULT(*(volatile long *)-16L = 1, -16L);
    FAULT(ro[5] = 1, ro + 5);
    FAULT((void)*(volatile char *)(behind + 4097), behind + 4097);
    FAULT(((void (*)(void))0x40)(), 0x40);
    FAULT(((void (*)(void))ro)(), ro);
    FAULT(__asm__ volatile("unimp"), address);
    FAULT(__asm__ volatile("ebreak"), address);
    munmap(ro, 8192);
    FAULT((void)*(volatile char *)ro, ro);
}

static void masks(void)
{
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    handle(SIGUSR1, on_signal, 0);
    raise(SIGUSR1);
    printf("raised %d %d\n", got, code == SI_TKILL);
    got = 0;
    sigprocmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR1);
    sigpending(&pending);
    printf("blocked %d %d\n", got, sigismember(&pending, SIGUSR1));
    int r = sigsuspend(&old);
    printf("suspended %d %d %d\n", r, errno == EINTR, got);
    union sigval v = {.sival_int = 77};
    siginfo_t info;
    sigqueue(getpid(), SIGUSR1, v);
    printf("waited %d\n", sigwaitinfo(&set, &info));
    printf("%d %d\n", info.si_code, info.si_value.sival_int);
    int fd = signalfd(-1, &set, 0);
    struct signalfd_siginfo s;
    raise(SIGUSR1);
    printf("signalfd %zd\n", read(fd, &s, sizeof(s)));
    printf("%d\n", s.ssi_signo);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(fd);
}

static void restarts(int flags)
{
    int pipes[2];
    char c = 0;
    count = 0;
    if (pipe(pipes) < 0)
        exit(1);
    handle(SIGUSR2, on_signal, flags);
    pid_t child = fork();
    if (child == 0) {
        usleep(30000);
        kill(getppid(), SIGUSR2);
        usleep(30000);
        exit(write(pipes[1], "x", 1) != 1);
    }
    ssize_t n = read(pipes[0], &c, 1);
    int e = errno;
    while (waitpid(child, NULL, 0) < 0)
        ;
    printf("read %zd %d %c %d\n", n, n < 0 ? e == EINTR : 0, c ? c : '-', count);
    close(pipes[0]);
    close(pipes[1]);
}

static void on_stack(int signo, siginfo_t *info, void *context)
{
    stack_t s;
    char here;
    (void)info;
    ucontext_t *uc = context;
    sigaltstack(NULL, &s);
    printf("stack %d %d %d %d\n", signo, s.ss_flags == SS_ONSTACK,
           &here >= (char *)s.ss_sp && &here < (char *)s.ss_sp + s.ss_size,
           uc->uc_stack.ss_size == s.ss_size);
    got = 1;
}

static void alternate_stack(void)
{
    static char room[64 << 10];
    stack_t s = {.ss_sp = room, .ss_size = sizeof(room)};
    printf("altstack %d\n", sigaltstack(&s, NULL));
    handle(SIGUSR1, on_stack, SA_ONSTACK);
    raise(SIGUSR1);
    s.ss_flags = SS_DISABLE;
    printf("altstack %d\n", sigaltstack(&s, NULL));
}

/* A handler may change where the program goes on, and its registers. */
static void on_skip(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signo;
    (void)info;
    uc->uc_mcontext.__gregs[REG_PC] += 4;
    uc->uc_mcontext.__gregs[REG_A0] = 99;
}

static void skip(void)
{
    handle(SIGILL, on_skip, 0);
    register long a0 __asm__("a0") = 1;
    __asm__ volatile(".word 0xffffffff" : "+r"(a0));
    printf("skipped %ld\n", a0);
}

static void floats(void)
{
    volatile double x = 1.0 / 3;
    timer_t timer;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
    struct itimerspec often = {{0, 200000}, {0, 200000}}, never = {{0, 0}, {0, 0}};
    handle(SIGRTMIN + 1, on_signal, SA_RESTART);
    count = 0;
    timer_create(CLOCK_MONOTONIC, &ev, &timer);
    timer_settime(timer, 0, &often, NULL);
    double sum = 0;
    long turns = 0;
    while (count < 100 || turns % 1000) {
        sum += x;
        turns++;
    }
    timer_settime(timer, 0, &never, NULL);
    double again = 0;
    for (long i = 0; i < turns; i++)
        again += x;
    printf("floats %d\n", sum == again);
}

static void *sender(void *opaque)
{
    for (int i = 0; i < 200; i++) {
        pthread_kill(*(pthread_t *)opaque, SIGUSR1);
        usleep(50);
    }
    return NULL;
}

/* Signals hit a thread that makes system calls all the time; none may be lost or end the calls. */
static void storm(void)
{
    pthread_t self = pthread_self(), other;
    int pipes[2];
    if (pipe(pipes) < 0)
        exit(1);
    count = 0;
    handle(SIGUSR1, on_signal, SA_RESTART);
    pthread_create(&other, NULL, sender, &self);
    int bad = 0;
    for (int i = 0; i < 20000; i++) {
        char c;
        bad += write(pipes[1], "y", 1) != 1;
        bad += read(pipes[0], &c, 1) != 1;
    }
    pthread_join(other, NULL);
    printf("storm %d %d\n", bad, count > 0);
}

static void endings(void)
{
    static const int signals[] = {SIGTERM, SIGSEGV, SIGABRT, SIGKILL, SIGALRM, SIGILL};
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            signal(signals[i], SIG_DFL);
            raise(signals[i]);
            exit(1);
        }
        waitpid(child, &status, 0);
        printf("ended by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    faults();
    masks();
    restarts(0);
    restarts(SA_RESTART);
    alternate_stack();
    skip();
    floats();
    storm();
    endings();
    signal(SIGTERM, SIG_DFL);
    return raise(SIGTERM);
}
