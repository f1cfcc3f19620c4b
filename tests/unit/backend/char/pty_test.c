/*
 * A console on a pseudo-terminal, used through the name it prints.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "console.h"

/* Open a pty console and return the slave's name, read from the message on standard error. */
static void open_console(struct console *c, char name[64])
{
    int fds[2], real = dup(STDERR_FILENO);
    char text[256] = "";

    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    int rc = console_open(c, "pty");
    dup2(real, STDERR_FILENO);
    close(real);
    close(fds[1]);
    assert_int_equal(rc, 0);
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    close(fds[0]);
    const char *at = strstr(text, "/dev/pts/");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "%63[a-z0-9/]", name), 1);
}

static void a_client_talks_to_the_guest(void **state)
{
    struct console c;
    char name[64], buf[16] = "";

    (void)state;
    console_setup(&c);
    open_console(&c, name);
    console_print(&c, "early\r\n"); /* kept for the first who connects */
    for (int i = 0; i < 3; i++) {
        int fd = open(name, O_RDWR | O_NOCTTY);
        assert_true(fd >= 0);
        if (i == 0) {
            assert_true(console_read(fd, buf, 7));
            assert_string_equal(buf, "early\r\n");
        }
        assert_int_equal(write(fd, "in\001x", 4), 4); /* no escape key here */
        assert_true(console_wait(&c, 4 * ((size_t)i + 1)));
        assert_memory_equal(c.got + 4 * i, "in\001x", 4);
        console_print(&c, "out");
        assert_true(console_read(fd, buf, 3));
        assert_memory_equal(buf, "out", 3);
        close(fd);
    }
    console_teardown(&c);
}

/* Nobody reads: writing neither blocks nor spins. */
static void nobody_connected_costs_nothing(void **state)
{
    struct console c;
    struct rusage before, after;
    char name[64];

    (void)state;
    console_setup(&c);
    open_console(&c, name);
    for (int i = 0; i < 20000; i++) {
        console_print(&c, "0123456789abcdef");
    }
    getrusage(RUSAGE_SELF, &before);
    usleep(300000);
    getrusage(RUSAGE_SELF, &after);
    long us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec -
              before.ru_utime.tv_usec + (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
              after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    assert_true(us < 100000);
    console_teardown(&c);
}

static void a_slow_guest_slows_the_client(void **state)
{
    struct console c;
    char name[64];

    (void)state;
    console_setup(&c);
    c.room = 10;
    open_console(&c, name);
    int fd = open(name, O_RDWR | O_NOCTTY);
    assert_int_equal(write(fd, "0123456789abcdefghij", 20), 20);
    assert_true(console_wait(&c, 10));
    usleep(20000);
    assert_int_equal(c.len, 10);
    console_set_room(&c, 4);
    assert_true(console_wait(&c, 14));
    console_set_room(&c, 100);
    assert_true(console_wait(&c, 20));
    assert_memory_equal(c.got, "0123456789abcdefghij", 20);
    close(fd);
    console_teardown(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_talks_to_the_guest),
        cmocka_unit_test(nobody_connected_costs_nothing),
        cmocka_unit_test(a_slow_guest_slows_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
