/*
 * The process's terminal.
 *
 * Its state is static because it belongs to the process, not to a guest: signal handlers have to
 * find it, and there is one terminal however many machines. `ready` publishes the rest of it.
 *
 * A handler is only installed where none is: whoever handles a signal already knows how it ends
 * (and calls chr_restore_terminal() if that is fatal).
 */
#include "backend/char/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "backend/char/chr.h"

static struct {
    _Atomic bool claimed; /* by a console */
    _Atomic bool ready;   /* the fields below are valid */
    _Atomic bool raw;     /* we have changed the modes and not yet changed them back */
    bool exit_hook;       /* atexit() done, which cannot be undone */
    int fd;
    struct termios cooked_modes, raw_modes;
} terminal;

static const int fatal_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,
                                    SIGBUS, SIGFPE, SIGSEGV, SIGTERM, SIGSYS};

bool terminal_in_foreground(int fd)
{
    pid_t group = tcgetpgrp(fd);

    return group < 0 || group == getpgrp();
}

/*
 * Async-signal-safe, like its callers. Between the question for the foreground and the change we
 * may be put into the background; then SIGTTOU would stop us with the change half done.
 */
static bool set_modes(const struct termios *modes)
{
    sigset_t ttou, old;

    if (!terminal_in_foreground(terminal.fd)) {
        return false;
    }
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    int rc = tcsetattr(terminal.fd, TCSANOW, modes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0;
}

void chr_restore_terminal(void)
{
    /* In the background the shell has set the modes it wants already. */
    if (atomic_load(&terminal.ready) && atomic_exchange(&terminal.raw, false)) {
        (void)set_modes(&terminal.cooked_modes);
    }
}

void terminal_enter(void)
{
    if (atomic_load(&terminal.ready) && set_modes(&terminal.raw_modes)) {
        atomic_store(&terminal.raw, true);
    }
}

/* SIG_DFL explicitly: a later handler may have called this one as the one before it. */
static void on_fatal(int sig)
{
    chr_restore_terminal();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_stop(int sig)
{
    int saved = errno;

    (void)sig;
    chr_restore_terminal();
    raise(SIGSTOP);
    errno = saved;
}

static void on_continue(int sig)
{
    int saved = errno;

    (void)sig;
    terminal_enter();
    errno = saved;
}

static void handle(int sig, void (*handler)(int), int flags)
{
    struct sigaction old, sa = {.sa_handler = handler, .sa_flags = flags};

    if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
        sigaction(sig, &sa, NULL);
    }
}

static void unhandle(int sig, void (*handler)(int))
{
    struct sigaction old;

    if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == handler) {
        signal(sig, SIG_DFL);
    }
}

static void install_handlers(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++) {
        handle(fatal_signals[i], on_fatal, SA_ONSTACK);
    }
    handle(SIGTSTP, on_stop, SA_RESTART);
    handle(SIGCONT, on_continue, SA_RESTART);
}

static void remove_handlers(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++) {
        unhandle(fatal_signals[i], on_fatal);
    }
    unhandle(SIGTSTP, on_stop);
    unhandle(SIGCONT, on_continue);
}

/* Output stays cooked (OPOST): the guest's CR LF is none the worse for it, and the messages that
 * other parts of the process print keep their left margin. */
static void make_raw(struct termios *t)
{
    tcflag_t output = t->c_oflag;

    cfmakeraw(t);
    t->c_oflag = output;
    t->c_cc[VMIN] = 1;
    t->c_cc[VTIME] = 0;
}

int terminal_claim(int fd, struct error *err)
{
    if (atomic_exchange(&terminal.claimed, true)) {
        return error_set(err, EBUSY, "the terminal is already in use by another console");
    }
    if (tcgetattr(fd, &terminal.cooked_modes) < 0) {
        int e = errno;
        atomic_store(&terminal.claimed, false);
        return error_set(err, e, "cannot read the terminal's modes: %s", strerror(e));
    }
    terminal.fd = fd;
    terminal.raw_modes = terminal.cooked_modes;
    make_raw(&terminal.raw_modes);
    atomic_store(&terminal.ready, true);
    if (!terminal.exit_hook) {
        terminal.exit_hook = atexit(chr_restore_terminal) == 0;
    }
    install_handlers();
    terminal_enter();
    return 0;
}

void terminal_release(void)
{
    remove_handlers();
    chr_restore_terminal();
    atomic_store(&terminal.ready, false);
    atomic_store(&terminal.claimed, false);
}
