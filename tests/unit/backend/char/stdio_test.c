/*
 * The console on standard input and output, in a child process whose terminal, pipe or file the
 * test holds the other end of. A child in a session of its own has the terminal as controlling
 * terminal, as under a shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "console.h"

/* What the child does once its console is open; returns its exit status. */
typedef int child_fn(struct console *c);

struct child {
    pid_t pid;
    int master; /* its terminal */
};

static int open_master(char name[64])
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(grantpt(fd), 0);
    assert_int_equal(unlockpt(fd), 0);
    assert_int_equal(ptsname_r(fd, name, 64), 0);
    return fd;
}

static _Noreturn void run_child(child_fn *fn)
{
    static struct console c;

    /* The test's own failures must not be reported twice, nor cmocka catch the child's signals. */
    for (int sig = 1; sig < 32; sig++) {
        signal(sig, SIG_DFL);
    }
    alarm(30);
    console_setup(&c);
    if (console_open(&c, "stdio") != 0) {
        dprintf(STDERR_FILENO, "%s\n", c.err.text);
        _exit(90);
    }
    exit(fn(&c));
}

static struct child start_on_terminal(child_fn *fn)
{
    struct child k;
    char name[64];

    k.master = open_master(name);
    k.pid = fork();
    if (k.pid == 0) {
        setsid();
        int fd = open(name, O_RDWR);
        ioctl(fd, TIOCSCTTY, 0);
        dup2(fd, 0);
        dup2(fd, 1);
        run_child(fn);
    }
    return k;
}

static int finish(struct child *k)
{
    int status;

    assert_int_equal(waitpid(k->pid, &status, 0), k->pid);
    close(k->master);
    return status;
}

/* On Linux the master answers with the slave's modes. */
static bool is_raw(const struct child *k)
{
    struct termios t;

    assert_int_equal(tcgetattr(k->master, &t), 0);
    return !(t.c_lflag & (ECHO | ICANON | ISIG));
}

static bool becomes_raw(const struct child *k, bool raw)
{
    for (int i = 0; i < 2000; i++) {
        if (is_raw(k) == raw) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

static void expect_text(const struct child *k, const char *text)
{
    char buf[1024] = "";

    assert_true(strlen(text) < sizeof(buf));
    assert_true(console_read(k->master, buf, strlen(text)));
    assert_string_equal(buf, text);
}

static void type(const struct child *k, const char *keys)
{
    assert_int_equal(write(k->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* ---- children ---- */

static int wait_for_key(struct console *c)
{
    for (;;) {
        pthread_mutex_lock(&c->lock);
        char key = c->keys[0];
        pthread_mutex_unlock(&c->lock);
        if (key == 'x') {
            return c->len == 3 && memcmp(c->got, "a\001b", 3) == 0 ? 0 : 1;
        }
        usleep(1000);
    }
}

static int greet_and_wait(struct console *c)
{
    c->b->menu_help = "  Ctrl-A s  save\r\n";
    console_print(c, "login: ");
    int rc = wait_for_key(c);
    console_teardown(c);
    return rc;
}

static int just_exit(struct console *c)
{
    console_print(c, "$");
    return console_wait(c, 1) ? 7 : 1; /* and no close */
}

static int crash(struct console *c)
{
    console_print(c, "$");
    (void)!console_wait(c, 1);
    raise(SIGSEGV);
    return 1;
}

static int stay(struct console *c)
{
    console_print(c, "$");
    while (c->b) {
        usleep(100000);
    }
    return 1;
}

static int flood(struct console *c)
{
    for (int i = 0; i < 100000; i++) {
        console_print(c, "0123456789abcdef");
    }
    chr_restore_terminal();
    _exit(0);
}

/* The guest takes nothing; the escape key must work all the same. */
static int hung_guest(struct console *c)
{
    console_set_room(c, 0);
    console_print(c, "$");
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&c->lock);
        bool quit = c->keys[0] == 'x';
        pthread_mutex_unlock(&c->lock);
        if (quit) {
            return 0;
        }
        usleep(1000);
    }
    return 1;
}

static int no_menu(struct console *c)
{
    c->b->menu = NULL;
    return stay(c);
}

static int second_console(struct console *c)
{
    struct chr_backend *b;

    int rc = chr_open(&b, "stdio", c->loop, &c->err);
    return rc == -EBUSY && strstr(c->err.text, "another console") ? 0 : 1;
}

/* ---- on a terminal ---- */

static void a_session(void **state)
{
    (void)state;
    struct child k = start_on_terminal(greet_and_wait);
    expect_text(&k, "login: ");
    assert_true(is_raw(&k));
    type(&k, "a\001\001b\001h");
    expect_text(&k, "\r\r\n  Ctrl-A x       quit\r\r\n");
    expect_text(&k, "  Ctrl-A h       this help\r\r\n");
    expect_text(&k, "  Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\r\n");
    expect_text(&k, "  Ctrl-A s  save\r\r\n");
    type(&k, "\001x");
    assert_true(becomes_raw(&k, false));
    assert_int_equal(finish(&k), 0);
}

static void exit_restores_the_terminal(void **state)
{
    (void)state;
    struct child k = start_on_terminal(just_exit);
    expect_text(&k, "$");
    assert_true(is_raw(&k));
    type(&k, "q");
    assert_true(becomes_raw(&k, false));
    int status = finish(&k);
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void a_crash_restores_the_terminal(void **state)
{
    (void)state;
    struct child k = start_on_terminal(crash);
    expect_text(&k, "$");
    type(&k, "q");
    assert_true(becomes_raw(&k, false));
    int status = finish(&k);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void a_signal_restores_the_terminal(void **state)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGABRT};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct child k = start_on_terminal(stay);
        expect_text(&k, "$");
        assert_true(is_raw(&k));
        kill(k.pid, signals[i]);
        assert_true(becomes_raw(&k, false));
        int status = finish(&k);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
    }
}

static void stopping_and_continuing(void **state)
{
    int status;

    (void)state;
    struct child k = start_on_terminal(stay);
    expect_text(&k, "$");
    for (int i = 0; i < 2; i++) {
        kill(k.pid, SIGTSTP);
        assert_int_equal(waitpid(k.pid, &status, WUNTRACED), k.pid);
        assert_true(WIFSTOPPED(status));
        assert_false(is_raw(&k));
        kill(k.pid, SIGCONT);
        assert_true(becomes_raw(&k, true));
    }
    kill(k.pid, SIGTERM);
    (void)finish(&k);
}

static void a_stopped_terminal_blocks_nobody(void **state)
{
    (void)state;
    struct child k = start_on_terminal(flood); /* and nothing is read */
    int status = finish(&k);
    assert_int_equal(status, 0);
}

static void the_escape_key_works_while_the_guest_hangs(void **state)
{
    char line[1024];

    (void)state;
    struct child k = start_on_terminal(hung_guest);
    expect_text(&k, "$");
    memset(line, 'y', sizeof(line));
    for (int i = 0; i < 10; i++) { /* more than is kept for the guest */
        assert_int_equal(write(k.master, line, sizeof(line)), sizeof(line));
    }
    type(&k, "\001x");
    assert_int_equal(finish(&k), 0);
}

static void quitting_works_without_a_menu(void **state)
{
    (void)state;
    struct child k = start_on_terminal(no_menu);
    expect_text(&k, "$");
    type(&k, "\001x");
    int status = finish(&k);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void only_one_console_has_the_terminal(void **state)
{
    (void)state;
    struct child k = start_on_terminal(second_console);
    assert_int_equal(finish(&k), 0);
}

/* ---- not on a terminal ---- */

static int start_on(int in, int out, child_fn *fn)
{
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        run_child(fn);
    }
    close(out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static size_t length_so_far(struct console *c)
{
    pthread_mutex_lock(&c->lock);
    size_t len = c->len;
    pthread_mutex_unlock(&c->lock);
    return len;
}

static bool used_little_cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec == 0 &&
           u.ru_utime.tv_usec + u.ru_stime.tv_usec < 250000;
}

/* Takes the input slowly, then lives on for a while after its end without using the CPU. */
static int read_slowly(struct console *c)
{
    console_print(c, "out\n");
    while (length_so_far(c) < 6000) {
        console_set_room(c, 512);
        usleep(1000);
    }
    usleep(300000);
    bool idle = used_little_cpu();
    console_teardown(c);
    bool whole = c->len == 6000 && c->got[0] == 'a' && c->got[5999] == 'b';
    return !whole ? 2 : idle ? 0 : 3;
}

static int write_only(struct console *c)
{
    console_print(c, "out\n");
    usleep(300000);
    console_teardown(c);
    return used_little_cpu() && c->len == 0 ? 0 : 3;
}

static void fill(int fd)
{
    char text[6000];

    memset(text, '-', sizeof(text));
    text[0] = 'a';
    text[5999] = 'b';
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
}

static int output_pipe(int fds[2])
{
    assert_int_equal(pipe(fds), 0);
    return fds[1];
}

static void expect_out(int fd)
{
    char buf[8] = "";

    assert_true(console_read(fd, buf, 4));
    assert_string_equal(buf, "out\n");
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); /* a pipe shares no flags, but still */
    close(fd);
}

static void a_pipe_is_read_to_its_end(void **state)
{
    int in[2], out[2];

    (void)state;
    assert_int_equal(pipe(in), 0);
    fill(in[1]);
    close(in[1]);
    assert_int_equal(start_on(in[0], output_pipe(out), read_slowly), 0);
    close(in[0]);
    expect_out(out[0]);
}

static void a_file_is_read_to_its_end(void **state)
{
    char path[] = "doppel-stdin-XXXXXX";
    int fd = mkstemp(path), out[2];

    (void)state;
    unlink(path);
    fill(fd);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(start_on(fd, output_pipe(out), read_slowly), 0);
    close(fd);
    expect_out(out[0]);
}

static void no_input_is_fine(void **state)
{
    int out[2];
    int null = open("/dev/null", O_RDONLY);

    (void)state;
    assert_int_equal(start_on(null, output_pipe(out), write_only), 0);
    close(null);
    expect_out(out[0]);
}

/* As with "doppel run >>log": what was there stays. */
static void output_is_appended_to_a_file(void **state)
{
    char path[] = "doppel-stdout-XXXXXX", buf[16] = "";
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, "old\n", 4), 4);
    close(fd);
    fd = open(path, O_WRONLY | O_APPEND);
    int null = open("/dev/null", O_RDONLY);
    assert_int_equal(start_on(null, fd, write_only), 0);
    close(null);
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, buf, sizeof(buf) - 1), 8);
    assert_string_equal(buf, "old\nout\n");
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session),
        cmocka_unit_test(exit_restores_the_terminal),
        cmocka_unit_test(a_crash_restores_the_terminal),
        cmocka_unit_test(a_signal_restores_the_terminal),
        cmocka_unit_test(stopping_and_continuing),
        cmocka_unit_test(a_stopped_terminal_blocks_nobody),
        cmocka_unit_test(the_escape_key_works_while_the_guest_hangs),
        cmocka_unit_test(quitting_works_without_a_menu),
        cmocka_unit_test(only_one_console_has_the_terminal),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(a_file_is_read_to_its_end),
        cmocka_unit_test(no_input_is_fine),
        cmocka_unit_test(output_is_appended_to_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
