/*
 * A console on a Unix socket: clients come, go, come again and crowd.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "console.h"

struct fixture {
    struct console c;
    char path[64], spec[80];
};

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof(*f));

    console_setup(&f->c);
    snprintf(f->path, sizeof(f->path), "doppel-sock-%d", getpid());
    snprintf(f->spec, sizeof(f->spec), "socket=%s", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    console_teardown(&f->c);
    assert_int_not_equal(access(f->path, F_OK), 0);
    free(f);
    return 0;
}

static struct sockaddr_un address(const struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    strcpy(a.sun_path, f->path);
    return a;
}

static int client(const struct fixture *f)
{
    struct sockaddr_un a = address(f);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_equal(connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
    return s;
}

/* Until the loop has taken the connection, what the guest prints is lost: so print until it comes.
 */
static void expect_output(struct fixture *f, int fd)
{
    char byte;

    for (int i = 0; i < 1000; i++) {
        console_print(&f->c, "!");
        if (recv(fd, &byte, 1, MSG_DONTWAIT) == 1) {
            assert_int_equal(byte, '!');
            return;
        }
        usleep(2000);
    }
    fail();
}

static void clients_reconnect(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(console_open(&f->c, f->spec), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    console_print(&f->c, "to nobody");
    for (size_t i = 0; i < 5; i++) {
        int fd = client(f);
        expect_output(f, fd);
        assert_int_equal(write(fd, "hello", 5), 5);
        assert_true(console_wait(&f->c, 5 * (i + 1)));
        close(fd);
    }
}

static void a_second_client_is_told(void **state)
{
    struct fixture *f = *state;
    char buf[32] = "";

    assert_int_equal(console_open(&f->c, f->spec), 0);
    int first = client(f);
    expect_output(f, first);
    int second = client(f);
    assert_true(console_read(second, buf, 22));
    assert_string_equal(buf, "this console is in use");
    close(second);
    expect_output(f, first);
    close(first);
}

/* The guest reads nothing, so the first client's going is only noticed when the next one comes. */
static void a_gone_client_makes_room(void **state)
{
    struct fixture *f = *state;

    f->c.room = 0;
    assert_int_equal(console_open(&f->c, f->spec), 0);
    int first = client(f);
    assert_int_equal(write(first, "unread", 6), 6);
    expect_output(f, first);
    close(first);
    int second = client(f);
    expect_output(f, second);
    console_set_room(&f->c, 100);
    assert_true(console_wait(&f->c, 6));
    assert_int_equal(write(second, "more", 4), 4);
    assert_true(console_wait(&f->c, 10));
    assert_memory_equal(f->c.got, "unreadmore", 10);
    close(second);
}

static void a_client_that_does_not_read_blocks_nobody(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(console_open(&f->c, f->spec), 0);
    int fd = client(f);
    expect_output(f, fd);
    for (int i = 0; i < 100000; i++) {
        console_print(&f->c, "0123456789abcdef");
    }
    assert_int_equal(write(fd, "x", 1), 1);
    assert_true(console_wait(&f->c, 1));
    close(fd);
}

static void paths_in_use_are_kept(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un a = address(f);
    int fd = open(f->path, O_CREAT | O_WRONLY, 0600);

    close(fd);
    assert_int_equal(console_open(&f->c, f->spec), -EADDRINUSE); /* an ordinary file */
    assert_int_equal(unlink(f->path), 0);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s, 1), 0);
    assert_int_equal(console_open(&f->c, f->spec), -EADDRINUSE); /* somebody's socket */
    assert_non_null(strstr(f->c.err.text, "exists and is in use"));
    close(s);
    assert_int_equal(console_open(&f->c, f->spec), 0); /* left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_client_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gone_client_makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_blocks_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_in_use_are_kept, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
