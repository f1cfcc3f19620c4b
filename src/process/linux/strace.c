/* --strace: one line a system call on standard error, with arguments as syscalls.inc types them. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/process.h"

enum { LINE = 1024, SHOWN_STRING = 64 };

static void append(char *line, const char *fmt, ...) printf_like(2, 3);
static void append(char *line, const char *fmt, ...)
{
    size_t used = strlen(line);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + used, LINE - used, fmt, args);
    va_end(args);
}

static void put_string(struct thread *t, char *line, gva_t va)
{
    char text[SHOWN_STRING + 1] = {0};
    ssize_t n = va ? guest_string(thread_arena(t), text, va, SHOWN_STRING) : -EFAULT;
    if (n == -EFAULT) {
        append(line, "%#" PRIx64, va);
        return;
    }
    for (char *c = text; *c; c++)
        *c = *c < ' ' || *c == 127 ? '?' : *c;
    append(line, "\"%s\"%s", text, n < 0 ? "..." : "");
}

static void put_arg(struct thread *t, char *line, char letter, uint64_t arg)
{
    switch (letter) {
    case 'd':
    case 'i':
        append(line, "%d", (int)arg);
        break;
    case 'l':
        append(line, "%" PRId64, (int64_t)arg);
        break;
    case 'u':
    case 'z':
        append(line, "%" PRIu64, arg);
        break;
    case 'o':
        append(line, "%#o", (unsigned)arg);
        break;
    case 's':
    case 'p':
        put_string(t, line, arg);
        break;
    default:
        append(line, arg ? "%#" PRIx64 : "0", arg);
    }
}

static void flush(const char *line)
{
    ssize_t n = write(STDERR_FILENO, line, strlen(line));
    (void)n; /* nowhere to complain */
}

static void put_result(char *line, long result)
{
    if (result == HOST_CALL_STOPPED)
        append(line, " = ? (again after a signal)\n");
    else if (result < 0 && result > -4096)
        append(line, " = -1 %s (%s)\n", strerrorname_np((int)-result), strerror((int)-result));
    else
        append(line, result > 0xffffff ? " = %#lx\n" : " = %ld\n", result);
}

void strace_enter(struct thread *t, uint64_t nr, const uint64_t *args)
{
    char line[LINE] = "";
    const struct syscall_desc *d = syscall_find(nr);
    append(line, "%d ", t->tid);
    if (d)
        append(line, "%s(", d->name);
    else
        append(line, "unknown_%" PRIu64 "(", nr);
    const char *letters = d ? d->args : "xxxxxx";
    for (unsigned i = 0; letters[i]; i++) {
        append(line, i ? ", " : "");
        put_arg(t, line, letters[i], args[i]);
    }
    append(line, ")");
    flush(line);
}

void strace_leave(struct thread *t, uint64_t nr, long result)
{
    char line[LINE] = "";
    (void)t;
    (void)nr;
    put_result(line, result);
    flush(line);
}
