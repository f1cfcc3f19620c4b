/* Processes: fork, exec, vfork, posix_spawn, pipes, waiting, scripts, /proc/self. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void pipeline(void)
{
    int p[2];
    char text[64] = "";
    if (pipe(p) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(p[1], 1);
        execl("/proc/self/exe", "renamed", "child", "an argument", NULL);
        exit(9);
    }
    close(p[1]);
    ssize_t n = 0, r;
    while ((r = read(p[0], text + n, sizeof(text) - 1 - (size_t)n)) > 0)
        n += r;
    printf("%s %d\n", text, status_of(pid));
}

static void vforked(void)
{
    volatile int shared = 1;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 2;
        _exit(11);
    }
    printf("vfork %d %d\n", shared, status_of(pid));
    pid = vfork();
    if (pid == 0) {
        execl("/proc/self/exe", "v", "exit", NULL);
        _exit(1);
    }
    printf("vfork and exec %d\n", status_of(pid));
}

static void spawned(void)
{
    char *args[] = {"s", "exit", NULL}, *none[] = {"x", NULL};
    pid_t pid;
    int r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ);
    printf("spawn %d %d\n", r, r ? 0 : status_of(pid));
    r = posix_spawn(&pid, "/does/not/exist", NULL, NULL, none, environ);
    printf("spawn %d\n", r);
}

static void script(const char *self)
{
    char line[5000];
    int fd = open("script", O_WRONLY | O_CREAT, 0755);
    int n = snprintf(line, sizeof(line), "#! %s show  it\nignored\n", self);
    if (write(fd, line, (size_t)n) != n)
        exit(1);
    close(fd);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execl("./script", "not seen", "more", NULL);
        exit(errno);
    }
    printf("script %d\n", status_of(pid));
    execl("/", "x", NULL);
    printf("exec %d\n", errno == EACCES);
    execl("nowhere", "x", NULL);
    printf("exec %d\n", errno == ENOENT);
    execv((char *)8, NULL);
    printf("exec %d\n", errno == EFAULT);
}

static void proc(void)
{
    char text[4096] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text));
    printf("cmdline %d %d\n", n > 10, !strcmp(text + strlen(text) + 1, "word"));
    n = readlink("/proc/self/exe", text, sizeof(text));
    text[n] = 0;
    printf("exe %s\n", strrchr(text, '/'));
    FILE *f = fopen("/proc/self/maps", "r");
    int heap = 0, stack = 0, code = 0;
    while (fgets(text, sizeof(text), f)) {
        unsigned long start, end;
        sscanf(text, "%lx-%lx", &start, &end);
        heap |= !!strstr(text, "[heap]");
        stack |= (unsigned long)&heap >= start && (unsigned long)&heap < end;
        code |= strstr(text, "r-xp") && (unsigned long)proc >= start && (unsigned long)proc < end;
    }
    printf("maps %d %d %d\n", heap, stack, code);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "child")) {
        printf("%s: %s", argv[0], argv[2]);
        return 17;
    }
    if (argc > 1 && !strcmp(argv[1], "exit"))
        return 23;
    if (argc > 1 && !strncmp(argv[1], "show", 4)) {
        for (int i = 1; i < argc; i++)
            printf("[%s]", argv[i]);
        puts("");
        return 5;
    }
    free(malloc(100));
    pipeline();
    vforked();
    spawned();
    script(argv[0]);
    proc();
    return 0;
}
