/*
 * One line a message, written with one write() so that lines of different threads never mix.
 *
 * Texts may quote what a guest or an image said, so control characters are replaced: a guest cannot
 * drive the user's terminal through a warning.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

/* Process-wide and the user's choice, not a guest's: several VMs in one process share stderr. */
static _Atomic bool quiet_lines;

/* In raw mode the terminal does not turn "\n" into "\r\n", and lines would form a staircase. */
static bool raw_terminal(void)
{
    struct termios t;
    return tcgetattr(STDERR_FILENO, &t) == 0 && !(t.c_oflag & OPOST);
}

static void emit(const char *kind, const char *fmt, va_list ap)
{
    char line[1024];
    const size_t room = sizeof(line) - 3; /* for "\r\n" and the final 0 */

    int n = snprintf(line, room, "doppel: %s", kind);
    vsnprintf(line + n, room - (size_t)n, fmt, ap);

    size_t len = 0;
    for (; line[len]; len++) {
        if ((unsigned char)line[len] < 0x20 || line[len] == 0x7f)
            line[len] = '?';
    }
    if (raw_terminal())
        line[len++] = '\r';
    line[len++] = '\n';
    /* Nowhere is left to report a failing stderr. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

void log_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit("", fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;
    if (atomic_load_explicit(&quiet_lines, memory_order_relaxed))
        return;
    va_start(ap, fmt);
    emit("warning: ", fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;
    if (atomic_load_explicit(&quiet_lines, memory_order_relaxed))
        return;
    va_start(ap, fmt);
    emit("", fmt, ap);
    va_end(ap);
}

void log_set_quiet(bool quiet)
{
    atomic_store_explicit(&quiet_lines, quiet, memory_order_relaxed);
}

void log_warn_once(_Atomic bool *once, const char *fmt, ...)
{
    va_list ap;
    if (atomic_load_explicit(&quiet_lines, memory_order_relaxed))
        return;
    if (atomic_exchange_explicit(once, true, memory_order_relaxed))
        return;
    va_start(ap, fmt);
    emit("warning: ", fmt, ap);
    va_end(ap);
}
